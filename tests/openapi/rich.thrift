namespace go rich

enum Color {
    RED = 1 // warm
    GREEN = 2
    BLUE = 5
}

union Shape {
    1: i32 circle
    2: string label
    3: list<i32> corners
}

struct Node {
    1: required i32 weight (api.vd="$>0; msg:'a weight is positive'")
    2: optional Node next
    3: optional list<Node> children
}

// Every type that JSON can hold.
struct Everything {
    1: optional bool yes
    2: optional i8 tiny
    3: optional i16 small
    4: i32 plain
    5: optional i64 large
    6: optional i64 exact (api.js_conv="true")
    7: optional double ratio
    8: optional string word
    9: optional binary blob
    10: optional Color color
    11: optional list<string> words
    12: optional set<i32> numbers
    13: optional map<string, i32> by_name
    14: optional map<i16, string> by_number
    15: optional map<bool, double> by_bool
    16: optional map<Color, Node> by_color
    17: optional map<Node, i32> by_node
    18: optional Shape shape
    19: optional Node node
    20: optional list<list<double>> matrix
    21: optional list<i64> exacts (api.js_conv="true")
    22: optional string hidden (api.none="true")
    23: optional string renamed (go.tag='json:"other_name,omitempty"')
    24: required string must
    25: optional bool loose (api.js_conv="true")
    26: optional i16 short_text (api.js_conv="true")
}

struct Query {
    1: required i32 number (api.query="number")
    2: optional i64 large (api.query="large")
    3: optional bool flag (api.query="flag")
    4: optional double ratio (api.query="ratio")
    5: optional string word (api.query="word")
    6: optional Color color (api.query="color")
    7: optional list<i32> numbers (api.query="numbers")
    8: optional set<string> words (api.query="words")
    9: optional map<string, i32> entries (api.query="entries")
    10: optional Shape shape (api.query="shape")
    11: optional string plain_word
    12: i32 page = 1 (api.query="page")
    13: optional i8 tiny (api.header="X-Tiny")
    14: optional string token (api.cookie="token")
    15: required string agent (api.header="X-Agent")
}

struct Rules {
    1: i32 below (api.query="below", api.vd="$<100; msg:'below must be less than 100'")
    2: required i32 between (api.query="between", api.vd="$>=5&&$<=10")
    3: optional i32 positive (api.query="positive", api.vd="$>0")
    4: optional i32 perhaps (api.query="perhaps", api.vd="$==nil||$>0")
    5: required string letters (api.query="letters", api.vd="mblen($)>=2&&mblen($)<=5")
    6: required string digits (api.query="digits", api.vd="regexp('^\d{2,4}$')")
    7: required string kind (api.query="kind", api.vd="in($,'admin','user','guest')")
    8: required string mail (api.query="mail", api.vd="email($)")
    9: required list<i32> several (api.query="several", api.vd="len($)<4 && range($, #v>0)")
    10: required Color color (api.query="color", vt.defined_only="true")
    11: optional i16 even (api.query="even", api.vd="$==nil||$%2==0")
}

struct BodyRules {
    1: required string name (api.vd="mblen($)>0 && mblen($)<=8; msg:'a name has one to eight letters'")
    2: required list<string> tags (api.vd="len($)>0 && len($)<=3 && range($, mblen(#v)>0)")
    3: optional map<string, i32> scores (api.vd="$==nil||range($, len(#k)>0 && #v>=0)")
    4: required Node root
    5: optional i64 exact (api.js_conv="true", api.vd="$==nil||($>=10&&$<1000)")
    6: optional string code (vt.pattern="^[A-Z]{2}$")
    7: required i32 count (vt.gt="0", vt.le="9")
    8: optional bool agreed (api.vd="$==nil||$")
    9: optional string word (api.vd="$==nil||$!='no'")
}

// What JSON Schema cannot say.
struct Words {
    1: required i32 low
    2: required i32 high (api.vd="$>(low)$; msg:'high must be more than low'")
    3: required string bytes (api.vd="len($)<=6")
    4: required string phone (api.vd="phone($,'US')||$!=''")
}

struct Form {
    1: required string title (api.form="title")
    2: optional i32 year (api.form="year")
    3: optional list<i32> pages (api.form="pages")
    4: optional bool lent (api.form="lent")
}

struct InPath {
    1: required i32 id (api.path="id")
    2: required string name (api.path="name", api.vd="mblen($)<20")
    3: optional string note (api.body="note")
    4: optional Color color (api.body="color")
}

struct Tail { 1: string rest (api.path="rest") }

struct Raw { 1: binary body (api.raw_body="true"), 2: optional i32 n (api.query="n") }

struct RawText { 1: required string body (api.raw_body="true") }

struct Deep {
    1: Inner inner (api.no_body_struct="true")
    2: optional string also (api.query="also")
}
struct Inner { 1: i32 inside (api.query="inside"), 2: optional string agent (api.header="X-Inner") }

struct Headed {
    1: optional i32 status (api.http_code="true")
    2: optional string etag (api.header="X-Etag")
    3: optional list<i32> counts (api.header="X-Counts")
    4: optional string session (api.cookie="session")
    5: string body (api.body="text")
    6: required i32 always
    7: i32 filled = 7
}

struct File { 1: required binary content (api.raw_body="true"), 2: optional string tag (api.header="X-Tag") }

exception Missing { 1: i32 status = 404 (api.http_code="true"), 2: string reason }
exception Busy { 1: i32 seconds (api.header="X-Seconds") }
exception Full { 1: string what }

service Rich {
    // Gives everything back. And more.
    //
    // As it came.
    Everything echo(1: Everything all) (api.post="/everything")
    Everything query(1: Query q) throws (1: Missing missing, 2: Busy busy, 3: Full full) (api.get="/query")
    list<Node> rules(1: Rules r) (api.get="/rules")
    map<i64, Color> body_rules(1: BodyRules r) (api.put="/rules/body")
    void words(1: Words w) (api.patch="/words")
    string form(1: Form f) (api.post="/form")
    Headed in_path(1: InPath p) throws (1: Missing missing) (api.put="/shelf/:id/v:name")
    File tail(1: Tail t) (api.get="/files/*rest")
    i64 raw(1: Raw r) (api.post="/raw")
    Shape raw_text(1: RawText r) (api.post="/raw/text")
    bool deep(1: Deep d) (api.delete="/deep")
    double nothing() (api.get="/nothing")
    oneway void cast(1: Words w) (api.post="/cast")
    Shape union(1: Shape s) (api.post="/union")
    list<i32> values(1: list<i32> l) (api.post="/values", api.get="/values")
}
