package main

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/healthz"

	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

var managerSteps = []step{{"controller-runtime", manager}, {"envtest-existing-cluster", existingCluster}}

const (
	finalizer = "example.com/clean"
	byNode    = "spec.nodeName"
)

// apps turns a ConfigMap labelled app=yes into a Deployment of its own, writes down how many pods are ready, and cleans up.
type apps struct {
	client.Client
	manager ctrl.Manager
	cleaned chan string
}

func (a *apps) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	app := &corev1.ConfigMap{}
	if err := a.Get(ctx, request.NamespacedName, app); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !app.DeletionTimestamp.IsZero() {
		if controllerutil.RemoveFinalizer(app, finalizer) {
			a.cleaned <- app.Name
			return reconcile.Result{}, client.IgnoreNotFound(a.Update(ctx, app))
		}
		return reconcile.Result{}, nil
	}
	if controllerutil.AddFinalizer(app, finalizer) {
		return reconcile.Result{}, a.Update(ctx, app)
	}
	made := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: app.Name, Namespace: app.Namespace}}
	done, err := controllerutil.CreateOrUpdate(ctx, a.Client, made, func() error {
		made.Spec = deployment(app.Name, 2).Spec
		return controllerutil.SetControllerReference(app, made, a.Scheme())
	})
	if err != nil {
		return reconcile.Result{}, err
	}
	if done == controllerutil.OperationResultCreated {
		a.manager.GetEventRecorder("apps").Eventf(app, made, corev1.EventTypeNormal, "Made", "Making", "made %s", made.Name)
	}
	ready := fmt.Sprint(made.Status.ReadyReplicas)
	if app.Annotations["ready"] == ready {
		return reconcile.Result{}, nil
	}
	patch := client.MergeFrom(app.DeepCopy())
	if app.Annotations == nil {
		app.Annotations = map[string]string{}
	}
	app.Annotations["ready"] = ready
	return reconcile.Result{}, a.Patch(ctx, app, patch, client.FieldOwner("apps"))
}

func startManager(ctx context.Context, w *world) (ctrl.Manager, *apps, error) {
	ctrl.SetLogger(logr.Discard())
	mgr, err := ctrl.NewManager(w.config, ctrl.Options{
		Scheme:                        scheme.Scheme,
		Cache:                         cache.Options{DefaultNamespaces: map[string]cache.Config{w.namespace: {}}},
		Metrics:                       server.Options{BindAddress: "0"},
		LeaderElection:                true,
		LeaderElectionID:              "apps.example.com",
		LeaderElectionNamespace:       w.namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, nil, err
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, nil, err
	}
	nodeOf := func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }
	if err := mgr.GetFieldIndexer().IndexField(ctx, &corev1.Pod{}, byNode, nodeOf); err != nil {
		return nil, nil, err
	}
	reconciler := &apps{mgr.GetClient(), mgr, make(chan string, 4)}
	pods := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}}
	toApp := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetLabels()["app"]}}}
	})
	labelled := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetLabels()["app"] == "yes" })
	return mgr, reconciler, ctrl.NewControllerManagedBy(mgr).Named("apps").
		For(&corev1.ConfigMap{}, builder.WithPredicates(labelled)).
		Owns(&appsv1.Deployment{}).
		WatchesMetadata(pods, toApp).
		Complete(reconciler)
}

func manager(ctx context.Context, w *world) error {
	running, stop := context.WithCancel(ctx)
	mgr, reconciler, err := startManager(running, w)
	if err != nil {
		stop()
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(running) }()
	err = useManager(ctx, w, mgr.GetClient(), reconciler)
	stop()
	if err != nil {
		return err
	}
	return <-ended
}

func useManager(ctx context.Context, w *world, c client.Client, reconciler *apps) error {
	app := configMap("operated", nil)
	app.Namespace, app.Labels = w.namespace, map[string]string{"app": "yes"}
	if err := c.Create(ctx, app); err != nil {
		return err
	}
	key := client.ObjectKeyFromObject(app)
	ready := func(ctx context.Context) (bool, error) {
		found := &corev1.ConfigMap{}
		err := c.Get(ctx, key, found)
		return err == nil && found.Annotations["ready"] == "2", client.IgnoreNotFound(err)
	}
	if err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, ready); err != nil {
		return fmt.Errorf("never ready: %w", err)
	}
	if err := indexed(ctx, w, c); err != nil {
		return err
	}
	if err := applied(ctx, w, c); err != nil {
		return err
	}
	if err := c.Delete(ctx, app, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		return err
	}
	gone := func(ctx context.Context) (bool, error) {
		err, owned := c.Get(ctx, key, &corev1.ConfigMap{}), c.Get(ctx, key, &appsv1.Deployment{})
		return errors.IsNotFound(err) && errors.IsNotFound(owned), nil
	}
	if err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, gone); err != nil {
		return fmt.Errorf("never gone: %w", err)
	}
	return check(<-reconciler.cleaned == "operated", "not cleaned")
}

// indexed asks the cache by the field that was indexed.
func indexed(ctx context.Context, w *world, c client.Client) error {
	all, found := &corev1.PodList{}, 0
	if err := c.List(ctx, all, client.InNamespace(w.namespace), client.MatchingLabels{"app": "operated"}); err != nil {
		return err
	}
	nodes := map[string]bool{}
	for _, pod := range all.Items {
		nodes[pod.Spec.NodeName] = true
	}
	for node := range nodes {
		list := &corev1.PodList{}
		if err := c.List(ctx, list, client.MatchingFields{byNode: node}, client.MatchingLabels{"app": "operated"}); err != nil {
			return err
		}
		found += len(list.Items)
	}
	return check(len(all.Items) == 2 && found == 2, "%d pods, %d by their nodes", len(all.Items), found)
}

// applied: server-side apply through the manager's client, and a status through the subresource's.
func applied(ctx context.Context, w *world, c client.Client) error {
	wanted := coreapply.ConfigMap("applied", w.namespace).WithData(map[string]string{"a": "b"})
	if err := c.Apply(ctx, wanted, client.FieldOwner("apps"), client.ForceOwnership); err != nil {
		return err
	}
	found := &appsv1.Deployment{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: w.namespace, Name: "operated"}, found); err != nil {
		return err
	}
	patch := client.StrategicMergeFrom(found.DeepCopy())
	found.Status.CollisionCount = new(int32)
	if err := c.Status().Patch(ctx, found, patch); err != nil {
		return err
	}
	return c.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace(w.namespace), client.MatchingFields{"metadata.name": "applied"})
}

func existingCluster(ctx context.Context, w *world) error {
	yes := true
	environment := &envtest.Environment{UseExistingCluster: &yes, Config: w.config}
	config, err := environment.Start()
	if err != nil {
		return err
	}
	defer func() { _ = environment.Stop() }()
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		return err
	}
	watching, err := c.Watch(ctx, &corev1.ConfigMapList{}, client.InNamespace(w.namespace), client.MatchingLabels{"watched": "yes"})
	if err != nil {
		return err
	}
	defer watching.Stop()
	made := configMap("watched", nil)
	made.Namespace, made.Labels = w.namespace, map[string]string{"watched": "yes"}
	if err := c.Create(ctx, made); err != nil {
		return err
	}
	event := <-watching.ResultChan()
	if err := check(event.Object.(*corev1.ConfigMap).Name == "watched", "%v", event); err != nil {
		return err
	}
	if err := c.Create(ctx, made.DeepCopy()); err == nil {
		return fmt.Errorf("created twice")
	}
	namespaced, err := c.IsObjectNamespaced(made)
	if err != nil {
		return err
	}
	answer := errors.ReasonForError(c.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: w.namespace}}))
	return check(namespaced && answer == metav1.StatusReasonInvalid, "%v %v", namespaced, answer)
}
