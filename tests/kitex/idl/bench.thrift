namespace go bench

// A service with everything that a real IDL is made of; the Kitex server in ../server answers it.

enum Binding {
    PAPERBACK = 1
    HARDCOVER = 2
    EBOOK = 3
}

struct Author {
    1: string name
    2: optional i32 born
    3: list<string> aliases
}

struct Book {
    1: string id
    2: string title
    3: list<Author> authors
    4: double price
    5: i64 sold
    6: Binding binding
    7: bool inPrint
    8: map<string, string> labels
    9: optional string summary
}

struct GetReq {
    1: i32 num (api.query="num", api.vd="$<100; msg:'num must be less than 100'")
}

struct GetResp {
    1: bool exist
    2: string id
    3: string title
    4: string author
}

struct ListReq {
    1: i32 count (api.query="count")
}

struct ListResp {
    1: list<Book> books
    2: i64 total
}

struct StoreReq {
    1: string shelf (api.path="shelf")
    2: list<Book> books (api.body="books")
}

struct StoreResp {
    1: i32 stored
    2: string msg
}

service BenchSvc {
    GetResp fetch(1: GetReq req) (api.get="/bench/get")
    ListResp browse(1: ListReq req) (api.get="/bench/list")
    StoreResp store(1: StoreReq req) (api.post="/bench/store/:shelf")
}
