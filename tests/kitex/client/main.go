// A real Kitex client of the Book service: it finds the instances in etcd and calls them.
//
// Without -loop it makes -calls rounds of three calls (a book that is there, one that is not, one to insert), prints
// a JSON line for each call and one with the number of errors, and ends with status 1 if there was any.
// With -loop it queries all the time: it prints `reached HOST:PORT` when an instance answers for the first time, and at
// the end one JSON line: how many calls succeeded, what the others met, and how many each instance answered. A SIGTERM
// ends the loop early.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"peers/kitex_gen/book"
	"peers/kitex_gen/book/booksvc"

	"github.com/bytedance/gopkg/cloud/metainfo"
	"github.com/cloudwego/kitex/client"
	"github.com/cloudwego/kitex/pkg/endpoint"
	"github.com/cloudwego/kitex/pkg/kerrors"
	"github.com/cloudwego/kitex/pkg/klog"
	"github.com/cloudwego/kitex/pkg/loadbalance"
	"github.com/cloudwego/kitex/pkg/loadbalance/lbcache"
	"github.com/cloudwego/kitex/pkg/rpcinfo"
	"github.com/cloudwego/kitex/pkg/transmeta"
	"github.com/cloudwego/kitex/transport"
	etcd "github.com/kitex-contrib/registry-etcd"
)

// mostTexts bounds the error texts that are counted one by one; some hold a port number and never repeat.
const mostTexts = 50

// transports are the ways in which a Kitex client can frame its calls. Kitex adds a protocol to those already set;
// PurePayload alone takes them away, so an unframed TTHeader begins with it.
var transports = map[string][]client.Option{
	"framed":   {client.WithTransportProtocol(transport.Framed)},
	"buffered": {client.WithTransportProtocol(transport.PurePayload)},
	"ttheader": {
		client.WithTransportProtocol(transport.PurePayload),
		client.WithTransportProtocol(transport.TTHeader),
		client.WithMetaHandler(transmeta.ClientTTHeaderHandler),
	},
	"ttheader-framed": {
		client.WithTransportProtocol(transport.TTHeaderFramed),
		client.WithMetaHandler(transmeta.ClientTTHeaderHandler),
	},
	"mux": {
		client.WithMuxConnection(1),
		client.WithMetaHandler(transmeta.ClientTTHeaderHandler),
	},
}

// outcome is what is printed of one call.
type outcome struct {
	Call   string  `json:"call"`
	Result any     `json:"result,omitempty"`
	Thrown any     `json:"thrown,omitempty"` // the exception that the IDL declares
	Error  string  `json:"error,omitempty"`
	Status *status `json:"status,omitempty"` // Kitex's own kind of error, which no IDL declares

	Heard map[string]string `json:"heard,omitempty"` // what came beside the reply
}

type status struct {
	Code    int32             `json:"code"`
	Message string            `json:"message"`
	Extra   map[string]string `json:"extra,omitempty"`
}

// tally counts the calls of the loop.
type tally struct {
	mutex     sync.Mutex
	OK        int            `json:"ok"`
	Failed    int            `json:"failed"`
	Errors    map[string]int `json:"errors"`
	Instances map[string]int `json:"instances"`
}

func (t *tally) count(err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if err == nil {
		t.OK++
		return
	}
	t.Failed++
	text := err.Error()
	if _, known := t.Errors[text]; !known && len(t.Errors) >= mostTexts {
		text = "others"
	}
	t.Errors[text]++
}

// perInstance counts the calls that each instance answered.
func (t *tally) perInstance(next endpoint.Endpoint) endpoint.Endpoint {
	return func(ctx context.Context, request, response any) error {
		err := next(ctx, request, response)
		if err == nil {
			t.answered(rpcinfo.GetRPCInfo(ctx).To().Address().String())
		}
		return err
	}
}

func (t *tally) answered(address string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.Instances[address]++; t.Instances[address] == 1 {
		fmt.Println("reached", address)
	}
}

func query(api booksvc.Client, num int32) outcome {
	ctx := beside()
	reply, err := api.QueryBook(ctx, &book.QueryBookReq{Num: num})
	return finished(ctx, "query", reply, err)
}

func insert(api booksvc.Client, id string) outcome {
	ctx := beside()
	reply, err := api.InsertBook(ctx, &book.InsertBookReq{ID: id, Title: "Título", Author: "Zoë"})
	return finished(ctx, "insert", reply, err)
}

// beside is a context with metainfo of both kinds, which takes what comes back.
func beside() context.Context {
	ctx := metainfo.WithValue(context.Background(), "TRACE", "t-7")
	return metainfo.WithBackwardValues(metainfo.WithPersistentValue(ctx, "USER", "Zoë"))
}

func finished(ctx context.Context, call string, reply any, err error) outcome {
	done := outcome{Call: call, Heard: metainfo.RecvAllBackwardValues(ctx)}
	var missing *book.BookNotFound
	if declared, is := kerrors.FromBizStatusError(err); is {
		done.Status = &status{declared.BizStatusCode(), declared.BizMessage(), declared.BizExtra()}
	} else if errors.As(err, &missing) {
		done.Thrown = missing
	} else if err != nil {
		done.Error = err.Error()
	} else {
		done.Result = reply
	}
	return done
}

// show makes the rounds and returns the number of errors.
func show(api booksvc.Client, rounds int, present, absent int32, inserted string) int {
	failed := 0
	for range rounds {
		for _, done := range []outcome{query(api, present), query(api, absent), insert(api, inserted)} {
			print(done)
			if done.Error != "" {
				failed++
			}
		}
	}
	print(map[string]int{"errors": failed})
	return failed
}

// loop queries from several goroutines, each with a pause between its calls, until so many calls are made or the time
// is over or a signal comes.
func loop(api booksvc.Client, count *tally, num int32, concurrency int, total int64, pause, duration time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var running sync.WaitGroup
	var begun atomic.Int64
	for range concurrency {
		running.Add(1)
		go func() {
			defer running.Done()
			for ctx.Err() == nil && begun.Add(1) <= total {
				_, err := api.QueryBook(context.Background(), &book.QueryBookReq{Num: num})
				count.count(err)
				time.Sleep(pause)
			}
		}()
	}
	running.Wait()
	print(count)
}

func print(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}

func main() {
	name := flag.String("name", "book", "service name in etcd")
	prefix := flag.String("prefix", "kitex/registry-etcd", "where services register in etcd")
	framing := flag.String("transport", "framed", "framed, buffered, ttheader, ttheader-framed or mux")
	calls := flag.Int("calls", 1, "rounds of three calls")
	present := flag.Int("present", 7, "number of a book that is there")
	absent := flag.Int("absent", 98, "number of a book that is not there")
	inserted := flag.String("insert", "71", "ID of the book to insert")
	duration := flag.Float64("loop", 0, "seconds to go on querying")
	total := flag.Int64("total", 1<<62, "queries that end the loop")
	concurrency := flag.Int("concurrency", 1, "queries at a time in the loop")
	pause := flag.Duration("pause", 0, "time between two queries of the loop")
	timeout := flag.Duration("timeout", 5*time.Second, "deadline of a call")
	refresh := flag.Duration("refresh", 5*time.Second, "time between two looks into etcd; Kitex's own default")
	var endpoints []string
	flag.Func("etcd", "etcd endpoint; repeat it or give a comma list", func(list string) error {
		endpoints = append(endpoints, strings.Split(list, ",")...)
		return nil
	})
	flag.Parse()
	klog.SetLevel(klog.LevelError)

	resolver, err := etcd.NewEtcdResolver(endpoints, etcd.WithEtcdServicePrefix(*prefix))
	if err != nil {
		log.Fatal(err)
	}
	framings, known := transports[*framing]
	if !known {
		log.Fatalf("no transport %q", *framing)
	}
	count := &tally{Errors: map[string]int{}, Instances: map[string]int{}}
	api, err := booksvc.NewClient(*name, append([]client.Option{
		client.WithResolver(resolver),
		client.WithLoadBalancer(loadbalance.NewWeightedRoundRobinBalancer(), &lbcache.Options{RefreshInterval: *refresh}),
		client.WithMiddleware(count.perInstance),
		client.WithRPCTimeout(*timeout),
		client.WithConnectTimeout(time.Second), // Kitex's 50 ms are short on a machine that runs tests
	}, framings...)...)
	if err != nil {
		log.Fatal(err)
	}
	if *duration > 0 {
		loop(api, count, int32(*present), *concurrency, *total, *pause, time.Duration(*duration*float64(time.Second)))
		return
	}
	if show(api, *calls, int32(*present), int32(*absent), *inserted) > 0 {
		os.Exit(1)
	}
}
