// Command podnet gives a kind cluster its pod network, in place of kind's own daemon, which is no Go
// module. On each node it writes a CNI configuration (ptp and portmap, addresses from the node's pod CIDR),
// keeps a route to every other node's pods, and hides pods behind the node when they leave the cluster.
// It enforces no NetworkPolicy.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const period = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := rest.InClusterConfig()
	if err != nil {
		log.Fatal(err)
	}
	config.Timeout = 10 * time.Second
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	for ctx.Err() == nil {
		// The service address works only once kube-proxy runs: until then, and later, try again.
		if err := reconcile(ctx, client, os.Getenv("NODE_NAME"), os.Getenv("POD_SUBNET")); err != nil {
			log.Print(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(period):
		}
	}
}

func reconcile(ctx context.Context, client kubernetes.Interface, self, podSubnet string) error {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range nodes.Items {
		node := &nodes.Items[i]
		if node.Spec.PodCIDR == "" {
			continue
		}
		if node.Name == self {
			err = writeConfig("/etc/cni/net.d", node.Spec.PodCIDR)
		} else {
			err = route(node)
		}
		if err != nil {
			return fmt.Errorf("node %s: %w", node.Name, err)
		}
	}
	return masquerade(ctx, podSubnet)
}

func route(node *corev1.Node) error {
	_, pods, err := net.ParseCIDR(node.Spec.PodCIDR)
	if err != nil {
		return err
	}
	for _, address := range node.Status.Addresses {
		if via := net.ParseIP(address.Address); address.Type == corev1.NodeInternalIP && via != nil {
			return netlink.RouteReplace(&netlink.Route{Dst: pods, Gw: via})
		}
	}
	return nil // has no address yet
}
