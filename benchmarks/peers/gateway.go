// What a careful Go developer would put in our place: Hertz in front, Kitex's generic HTTP call behind it,
// with the dynamicgo codec and weighted round robin. It serves whatever routes the IDL has.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"strings"

	"github.com/cloudwego/hertz/pkg/app"
	"github.com/cloudwego/hertz/pkg/app/server"
	"github.com/cloudwego/hertz/pkg/common/adaptor"
	"github.com/cloudwego/hertz/pkg/common/hlog"
	"github.com/cloudwego/kitex/client"
	"github.com/cloudwego/kitex/client/genericclient"
	"github.com/cloudwego/kitex/pkg/generic"
	"github.com/cloudwego/kitex/pkg/klog"
	"github.com/cloudwego/kitex/pkg/loadbalance"
)

func newClient(idl, service string, instances []string) (genericclient.Client, error) {
	provider, err := generic.NewThriftFileProviderWithDynamicGo(idl)
	if err != nil {
		return nil, err
	}
	codec, err := generic.HTTPThriftGeneric(provider, generic.UseRawBodyForHTTPResp(true))
	if err != nil {
		return nil, err
	}
	return genericclient.NewClient(service, codec,
		client.WithHostPorts(instances...),
		client.WithLoadBalancer(loadbalance.NewWeightedRoundRobinBalancer()))
}

func carry(to genericclient.Client) app.HandlerFunc {
	return func(ctx context.Context, c *app.RequestContext) {
		standard, err := adaptor.GetCompatRequest(&c.Request)
		if err != nil {
			c.String(http.StatusBadRequest, err.Error())
			return
		}
		request, err := generic.FromHTTPRequest(standard)
		if err != nil {
			c.String(http.StatusBadRequest, err.Error())
			return
		}
		reply, err := to.GenericCall(ctx, "", request)
		if err != nil {
			c.String(http.StatusBadGateway, err.Error())
			return
		}
		answer := reply.(*generic.HTTPResponse)
		for name, values := range answer.Header {
			c.Response.Header.Set(name, values[0])
		}
		c.Data(int(answer.StatusCode), "application/json", answer.RawBody)
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "where to serve")
	idl := flag.String("idl", "", "the annotated IDL file")
	service := flag.String("service", "bench", "the service's name")
	instances := flag.String("instances", "", "addresses of its instances, with commas between")
	flag.Parse()
	klog.SetLevel(klog.LevelError)
	hlog.SetLevel(hlog.LevelError)
	to, err := newClient(*idl, *service, strings.Split(*instances, ","))
	if err != nil {
		log.Fatal(err)
	}
	front := server.New(server.WithHostPorts(*listen))
	front.Any("/*any", carry(to))
	front.Spin()
}
