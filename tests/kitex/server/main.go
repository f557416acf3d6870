// A real Kitex server of idl/bench.thrift. Replies are computed from the request, so that a test knows every
// value beforehand; some requests make it fail in the ways in which real services fail.
//
// It prints `listening HOST:PORT` once it accepts connections, `registered NAME` once the registry has it,
// and at its end one JSON line with the number of calls that each method got.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"peers/kitex_gen/bench"
	"peers/kitex_gen/bench/benchsvc"

	"github.com/bytedance/gopkg/cloud/metainfo"
	"github.com/cloudwego/kitex/pkg/kerrors"
	"github.com/cloudwego/kitex/pkg/registry"
	"github.com/cloudwego/kitex/pkg/rpcinfo"
	"github.com/cloudwego/kitex/pkg/transmeta"
	"github.com/cloudwego/kitex/server"
	etcd "github.com/kitex-contrib/registry-etcd"
)

// Numbers that fetch answers badly. They pass the rule of the IDL, which ends at 99.
const (
	undeclaredError = 90
	panics          = 91
	sleeps          = 92
	emptyReply      = 93
	statusError     = 94
	saysWhatItHears = 95
)

const (
	sleep       = 3 * time.Second
	mostBooks   = 100_000
	firstAbove  = 1<<53 + 1 // the first whole number that a double can't hold
	statusCode  = 40404
	statusText  = "the shelf is closed"
	statusExtra = "until monday"
)

// service implements bench.BenchSvc.
type service struct {
	delay                  time.Duration
	fetched, listed, saved atomic.Int64
}

// Fetch tells of book Num: odd ones don't exist, and some numbers break it.
func (s *service) Fetch(ctx context.Context, request *bench.GetReq) (*bench.GetResp, error) {
	s.fetched.Add(1)
	time.Sleep(s.delay)
	switch request.Num {
	case undeclaredError:
		return nil, errors.New("the catalogue burned down")
	case panics:
		panic("the catalogue fell over")
	case sleeps:
		time.Sleep(sleep)
	case emptyReply:
		return nil, nil
	case statusError:
		extra := map[string]string{"hint": statusExtra}
		return nil, kerrors.NewBizStatusErrorWithExtra(statusCode, statusText, extra)
	case saysWhatItHears:
		return hears(ctx), nil
	}
	if request.Num%2 != 0 {
		return &bench.GetResp{}, nil
	}
	return &bench.GetResp{
		Exist:  true,
		Id:     fmt.Sprint(request.Num),
		Title:  fmt.Sprintf("Volume %d", request.Num),
		Author: "Zoë Sample",
	}, nil
}

// hears makes a book of the metainfo that came along, and sends some back.
func hears(ctx context.Context) *bench.GetResp {
	trace, _ := metainfo.GetValue(ctx, "TRACE")
	user, _ := metainfo.GetPersistentValue(ctx, "USER")
	metainfo.SendBackwardValue(ctx, "spent", "3 ms")
	return &bench.GetResp{Exist: true, Id: trace, Title: user, Author: rpcinfo.GetRPCInfo(ctx).From().ServiceName()}
}

// Browse lists the books 0 to Count-1.
func (s *service) Browse(_ context.Context, request *bench.ListReq) (*bench.ListResp, error) {
	s.listed.Add(1)
	time.Sleep(s.delay)
	if request.Count < 0 || request.Count > mostBooks {
		return nil, fmt.Errorf("count must be 0 to %d", mostBooks)
	}
	books := make([]*bench.Book, request.Count)
	for i := range books {
		books[i] = volume(i)
	}
	return &bench.ListResp{Books: books, Total: int64(request.Count)}, nil
}

// Store says what it got, field by field for the first book.
func (s *service) Store(_ context.Context, request *bench.StoreReq) (*bench.StoreResp, error) {
	s.saved.Add(1)
	time.Sleep(s.delay)
	message := "nothing for " + request.Shelf
	if len(request.Books) > 0 {
		message = fmt.Sprintf("first on %s: %s", request.Shelf, describe(request.Books[0]))
	}
	return &bench.StoreResp{Stored: int32(len(request.Books)), Msg: message}, nil
}

// volume makes book i. Every second one has no summary, every third author no year of birth.
func volume(i int) *bench.Book {
	book := &bench.Book{
		Id:    fmt.Sprintf("v%d", i),
		Title: fmt.Sprintf("Volume %d", i),
		Authors: []*bench.Author{
			{Name: "Zoë Sample", Aliases: []string{"Z.", "Zoë S."}},
			{Name: "Anon", Aliases: []string{}},
		},
		Price:   float64(i) + 0.25,
		Sold:    firstAbove + int64(i),
		Binding: bench.Binding(i%3 + 1),
		InPrint: i%2 == 0,
		Labels:  map[string]string{"lang": "en", "row": fmt.Sprintf("r%d", i%10)},
	}
	if i%3 != 0 {
		born := int32(1900 + i%100)
		book.Authors[0].Born = &born
	}
	if i%2 == 0 {
		summary := fmt.Sprintf("What is said in volume %d.", i)
		book.Summary = &summary
	}
	return book
}

// describe names every field of a book; an unset optional one is a dash.
func describe(book *bench.Book) string {
	authors := make([]string, len(book.Authors))
	for i, author := range book.Authors {
		born := "-"
		if author.IsSetBorn() {
			born = fmt.Sprint(*author.Born)
		}
		authors[i] = fmt.Sprintf("%s/%s/%s", author.Name, born, strings.Join(author.Aliases, "+"))
	}
	labels := make([]string, 0, len(book.Labels))
	for key, value := range book.Labels {
		labels = append(labels, key+"="+value)
	}
	sort.Strings(labels)
	summary := "-"
	if book.IsSetSummary() {
		summary = *book.Summary
	}
	return fmt.Sprintf(
		"id %s, title %s, authors [%s], price %g, sold %d, binding %s, inPrint %t, labels [%s], summary %s",
		book.Id, book.Title, strings.Join(authors, " "), book.Price, book.Sold, book.Binding, book.InPrint,
		strings.Join(labels, " "), summary,
	)
}

// announced is a registry that says when it is done.
type announced struct{ registry.Registry }

func (a announced) Register(info *registry.Info) error {
	err := a.Registry.Register(info)
	if err == nil {
		fmt.Println("registered", info.ServiceName)
	}
	return err
}

func main() {
	address := flag.String("addr", "127.0.0.1:0", "address to listen on")
	name := flag.String("name", "bench", "service name in etcd")
	prefix := flag.String("prefix", "kitex/registry-etcd", "where services register in etcd")
	weight := flag.Int("weight", 10, "weight in etcd")
	mux := flag.Bool("mux", false, "serve multiplexed connections (TTHeader alone)")
	delay := flag.Duration("delay", 0, "time that every call takes")
	var endpoints []string
	flag.Func("etcd", "etcd endpoint to register with; repeat it or give a comma list", func(list string) error {
		endpoints = append(endpoints, strings.Split(list, ",")...)
		return nil
	})
	flag.Parse()

	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	options := []server.Option{
		server.WithListener(listener),
		server.WithServerBasicInfo(&rpcinfo.EndpointBasicInfo{ServiceName: *name}),
		server.WithMetaHandler(transmeta.ServerTTHeaderHandler),
	}
	if *mux {
		options = append(options, server.WithMuxTransport())
	}
	if len(endpoints) > 0 {
		etcdRegistry, err := etcd.NewEtcdRegistry(endpoints, etcd.WithEtcdServicePrefix(*prefix))
		if err != nil {
			log.Fatal(err)
		}
		info := &registry.Info{ServiceName: *name, Weight: *weight}
		options = append(options, server.WithRegistry(announced{etcdRegistry}), server.WithRegistryInfo(info))
	}
	fmt.Println("listening", listener.Addr())
	implementation := &service{delay: *delay}
	err = benchsvc.NewServer(implementation, options...).Run()
	calls, _ := json.Marshal(map[string]int64{
		"fetch":  implementation.fetched.Load(),
		"browse": implementation.listed.Load(),
		"store":  implementation.saved.Load(),
	})
	fmt.Println(string(calls))
	if err != nil {
		log.Fatal(err)
	}
}
