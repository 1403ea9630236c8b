// Command probe is the smallest real gRPC peer: a server and a client of the health service.
//
//	probe serve ADDRESS          serve grpc.health.v1.Health over h2c
//	probe check ADDRESS          one call; prints the answer
//	probe watch ADDRESS SECONDS  a stream that stays silent that long and must still be there after
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: probe serve|check ADDRESS, probe watch ADDRESS SECONDS")
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		log.Fatalf("probe: %v", err)
	}
}

func run(what, address string, rest []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	switch {
	case what == "serve" && len(rest) == 0:
		return serve(ctx, address)
	case what == "check" && len(rest) == 0:
		return check(ctx, address)
	case what == "watch" && len(rest) == 1:
		seconds, err := strconv.Atoi(rest[0])
		if err != nil {
			return err
		}
		return watch(ctx, address, time.Duration(seconds)*time.Second)
	}
	return errors.New("wrong use")
}

func serve(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go func() {
		<-ctx.Done()
		server.Stop()
	}()
	return server.Serve(listener)
}

func dial(address string) (grpc_health_v1.HealthClient, func() error, error) {
	channel, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	return grpc_health_v1.NewHealthClient(channel), channel.Close, nil
}

func check(ctx context.Context, address string) error {
	client, closeChannel, err := dial(address)
	if err != nil {
		return err
	}
	defer closeChannel()
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	answer, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	fmt.Println(answer.Status)
	return nil
}

// watch succeeds when the stream outlives the silence. It carries no deadline: one would travel with the call, and
// a proxy on the way could act upon it.
func watch(ctx context.Context, address string, silent time.Duration) error {
	client, closeChannel, err := dial(address)
	if err != nil {
		return err
	}
	defer closeChannel()
	began := time.Now()
	stream, err := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	answer, err := stream.Recv()
	if err != nil {
		return err
	}
	fmt.Println(answer.Status)
	ended := make(chan error, 1)
	go func() {
		_, err := stream.Recv()
		ended <- err
	}()
	select {
	case <-time.After(silent):
		fmt.Printf("silent for %s and still open\n", silent)
		return nil
	case err := <-ended:
		return fmt.Errorf("the stream spoke or ended after %s: %w", time.Since(began).Round(time.Millisecond), err)
	}
}
