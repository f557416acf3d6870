// A real Kitex server of every service: it takes any call, keeps the bytes of its arguments, and answers as told.
//
// It prints `listening HOST:PORT` and `control HOST:PORT`. The control port speaks HTTP: `POST /reply` with a
// `server_reply` of tests/vectors/http makes that the answer to every call from now on, and forgets the calls
// so far; `GET /calls` tells of those that came since.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/cloudwego/kitex/pkg/kerrors"
	"github.com/cloudwego/kitex/pkg/transmeta"
	"github.com/cloudwego/kitex/server"
	"github.com/cloudwego/kitex/server/genericserver"
)

// reply is what the server does with a call.
type reply struct {
	Kind      string            `json:"kind"`
	ResultHex string            `json:"result_hex"`
	Code      int32             `json:"code"`
	Message   string            `json:"message"`
	Extra     map[string]string `json:"extra"`
}

// call is what the server got: ArgumentsHex holds the argument struct, as it came over the wire.
type call struct {
	Service      string `json:"service"`
	Method       string `json:"method"`
	ArgumentsHex string `json:"arguments_hex"`
}

// script is the answer to every call, and the calls that got it.
type script struct {
	mutex sync.Mutex
	reply reply
	calls []call
}

func (s *script) take(_ context.Context, service, method string, request any) (any, error) {
	arguments, ok := request.([]byte)
	if !ok {
		return nil, fmt.Errorf("the arguments are no bytes but a %T", request)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.calls = append(s.calls, call{service, method, hex.EncodeToString(arguments)})
	switch s.reply.Kind {
	case "result":
		return hex.DecodeString(s.reply.ResultHex)
	case "biz_error":
		return nil, kerrors.NewBizStatusErrorWithExtra(s.reply.Code, s.reply.Message, s.reply.Extra)
	case "rpc_error":
		return nil, errors.New(s.reply.Message)
	}
	return nil, fmt.Errorf("no such kind of reply: %q", s.reply.Kind)
}

func (s *script) setReply(response http.ResponseWriter, request *http.Request) {
	var told reply
	if err := json.NewDecoder(request.Body).Decode(&told); err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.reply, s.calls = told, []call{}
	response.WriteHeader(http.StatusNoContent)
}

func (s *script) listCalls(response http.ResponseWriter, _ *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	_ = json.NewEncoder(response).Encode(s.calls)
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func main() {
	told := &script{calls: []call{}}
	control := http.NewServeMux()
	control.HandleFunc("POST /reply", told.setReply)
	control.HandleFunc("GET /calls", told.listCalls)
	controlListener := listen()
	go func() { log.Fatal(http.Serve(controlListener, control)) }()

	listener := listen()
	fmt.Println("control", controlListener.Addr())
	fmt.Println("listening", listener.Addr())
	err := genericserver.NewUnknownServiceOrMethodServer(
		&genericserver.UnknownServiceOrMethodHandler{DefaultHandler: told.take},
		server.WithListener(listener),
		server.WithMetaHandler(transmeta.ServerTTHeaderHandler),
	).Run()
	if err != nil {
		log.Fatal(err)
	}
}
