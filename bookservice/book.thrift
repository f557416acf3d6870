namespace go book

// What a query asks for: the book whose ID is the decimal text of Num.
struct QueryBookReq {
    1: i32 Num (api.query="num", api.vd="$<100; msg:'num must less than 100'")
}

struct QueryBookResp {
    1: string ID
    2: string Title
    3: string Author
    4: string Content
}

struct InsertBookReq {
    1: string ID (api.form="id")
    2: string Title (api.form="title")
    3: string Author (api.form="author")
}

struct InsertBookResp {
    1: bool Ok
    2: string Msg
}

// Clients of an IDL without this exception read its reply as an empty one: the wire stays compatible.
exception BookNotFound {
    1: i32 Status = 404 (api.http_code="true")
    2: string Msg
}

service BookSvc {
    QueryBookResp queryBook(1: QueryBookReq req) throws (1: BookNotFound missing) (api.get="book/query")
    InsertBookResp insertBook(1: InsertBookReq req) (api.post="book/insert")
}
