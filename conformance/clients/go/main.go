// What programs in Go do with a cluster: client-go's clients, informers, elections, and a controller-runtime manager.
// Every step prints "ok NAME" or "FAIL NAME: why"; the exit code is 1 when one failed.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// world is what every step gets: the cluster, and a namespace of the run's own.
type world struct {
	config    *rest.Config
	client    kubernetes.Interface
	namespace string
}

type step struct {
	name string
	run  func(context.Context, *world) error
}

const patience = 60 * time.Second

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	must(err)
	config.QPS, config.Burst = 200, 400
	client, err := kubernetes.NewForConfig(config)
	must(err)
	made, err := client.CoreV1().Namespaces().Create(context.Background(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "go-"}}, metav1.CreateOptions{})
	must(err)
	w := &world{config, client, made.Name}
	failed := 0
	for _, s := range append(clientSteps, managerSteps...) {
		if len(os.Args) > 1 && os.Args[1] != s.name {
			continue
		}
		if err := runStep(s, w); err != nil {
			failed++
			fmt.Printf("FAIL %s: %v\n", s.name, err)
		} else {
			fmt.Printf("ok %s\n", s.name)
		}
	}
	must(client.CoreV1().Namespaces().Delete(context.Background(), made.Name, metav1.DeleteOptions{}))
	if failed > 0 {
		os.Exit(1)
	}
}

func runStep(s step, w *world) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return s.run(ctx, w)
}

func must(err error) {
	if err != nil {
		fmt.Println("FAIL setup:", err)
		os.Exit(1)
	}
}

// check turns a broken promise into an error that says what was there instead.
func check(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, args...)
}
