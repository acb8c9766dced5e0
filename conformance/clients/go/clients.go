package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/tools/remotecommand"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/client-go/util/retry"
)

var clientSteps = []step{
	{"discovery", discover},
	{"crud-json", crudJSON},
	{"crud-protobuf", crudProtobuf},
	{"informers", informersFollow},
	{"informers-protobuf", informersProtobuf},
	{"watch-bookmarks", watchBookmarks},
	{"until", untilSync},
	{"dynamic", dynamicClient},
	{"metadata", metadataClient},
	{"server-side-apply", serverSideApply},
	{"patches", patches},
	{"conflicts", conflicts},
	{"leader-election", leaderElection},
	{"events", eventRecorders},
	{"scale", scaleClient},
	{"eviction", eviction},
	{"logs", podLogs},
	{"exec", podExec},
	{"pager", paging},
	{"delete-collection", deleteCollection},
	{"reviews-and-tokens", reviewsAndTokens},
}

func discover(ctx context.Context, w *world) error {
	client := w.client.Discovery()
	version, err := client.ServerVersion()
	if err != nil {
		return err
	}
	if err := check(version.Major == "1" && strings.HasPrefix(version.GitVersion, "v1."), "version %v", version); err != nil {
		return err
	}
	groups, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		return err
	}
	if err := check(len(groups) > 15 && len(lists) >= len(groups), "%d groups, %d lists", len(groups), len(lists)); err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client))
	mapping, err := mapper.RESTMapping(schema.GroupKind{Group: "apps", Kind: "Deployment"})
	if err != nil {
		return err
	}
	gvr, err := restmapper.NewShortcutExpander(mapper, client, nil).ResourceFor(schema.GroupVersionResource{Resource: "deploy"})
	if err != nil {
		return err
	}
	if err := check(gvr == mapping.Resource && mapping.Scope.Name() == meta.RESTScopeNameNamespace, "%v %v", gvr, mapping); err != nil {
		return err
	}
	preferred, err := discovery.ServerPreferredNamespacedResources(client)
	if err != nil {
		return err
	}
	able := discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "watch", "patch"}}, preferred)
	paths, err := client.OpenAPIV3().Paths()
	if err != nil {
		return err
	}
	document, err := paths["apis/apps/v1"].Schema("application/json")
	if err != nil {
		return err
	}
	v2, err := client.OpenAPISchema()
	if err != nil {
		return fmt.Errorf("openapi/v2: %w", err)
	}
	return check(len(able) > 5 && len(document) > 10000 && len(v2.GetPaths().GetPath()) > 100,
		"%d able, %d bytes of OpenAPI", len(able), len(document))
}

func configMap(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: data}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "nginx"}}},
			},
		},
	}
}

func crud(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	maps := client.CoreV1().ConfigMaps(namespace)
	made, err := maps.Create(ctx, configMap(name, map[string]string{"a": "1"}), metav1.CreateOptions{FieldManager: "go"})
	if err != nil {
		return err
	}
	made.Data["a"] = "2"
	changed, err := maps.Update(ctx, made, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	got, err := maps.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if err := check(got.Data["a"] == "2" && got.ResourceVersion == changed.ResourceVersion, "got %v", got); err != nil {
		return err
	}
	listed, err := maps.List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		return err
	}
	if err := check(len(listed.Items) == 1, "%d listed", len(listed.Items)); err != nil {
		return err
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string][]byte{"b": {0, 255}}}
	secret, err = client.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := check(bytes.Equal(secret.Data["b"], []byte{0, 255}), "secret %v", secret.Data); err != nil {
		return err
	}
	uid, zero, background := got.UID, int64(0), metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid}, GracePeriodSeconds: &zero, PropagationPolicy: &background,
	}
	if err := maps.Delete(ctx, name, options); err != nil {
		return err
	}
	if err := client.CoreV1().Secrets(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return err
	}
	_, err = maps.Get(ctx, name, metav1.GetOptions{})
	if err := check(errors.IsNotFound(err), "after the delete: %v", err); err != nil {
		return err
	}
	_, err = maps.Create(ctx, configMap("Not OK", nil), metav1.CreateOptions{})
	return check(errors.IsInvalid(err) && strings.Contains(err.Error(), `ConfigMap "Not OK" is invalid: metadata.name`), "%v", err)
}

func crudJSON(ctx context.Context, w *world) error { return crud(ctx, w.client, w.namespace, "json") }

func speakingProtobuf(w *world) (kubernetes.Interface, error) {
	config := rest.CopyConfig(w.config)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	return kubernetes.NewForConfig(config)
}

func crudProtobuf(ctx context.Context, w *world) error {
	client, err := speakingProtobuf(w)
	if err != nil {
		return err
	}
	return crud(ctx, client, w.namespace, "protobuf")
}

func follow(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	var added, updated, deleted atomic.Int32
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { added.Add(1) },
		UpdateFunc: func(any, any) { updated.Add(1) },
		DeleteFunc: func(any) { deleted.Add(1) },
	})
	if err != nil {
		return err
	}
	deployments := factory.Apps().V1().Deployments().Lister().Deployments(namespace)
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("%v did not sync", kind)
		}
	}
	if _, err := client.AppsV1().Deployments(namespace).Create(ctx, deployment(name, 2), metav1.CreateOptions{}); err != nil {
		return err
	}
	ready := func(context.Context) (bool, error) {
		found, err := deployments.Get(name)
		return err == nil && found.Status.ReadyReplicas == 2, nil
	}
	if err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, ready); err != nil {
		return fmt.Errorf("not ready: %w (%d added, %d updated)", err, added.Load(), updated.Load())
	}
	foreground := metav1.DeletePropagationForeground
	if err := client.AppsV1().Deployments(namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
		return err
	}
	gone := func(context.Context) (bool, error) {
		_, err := deployments.Get(name)
		return errors.IsNotFound(err) && deleted.Load() == 2, nil
	}
	if err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, gone); err != nil {
		return fmt.Errorf("not gone: %w (%d deleted)", err, deleted.Load())
	}
	return check(added.Load() == 2 && updated.Load() >= 4, "%d added, %d updated", added.Load(), updated.Load())
}

func informersFollow(ctx context.Context, w *world) error {
	return follow(ctx, w.client, w.namespace, "informed")
}

func informersProtobuf(ctx context.Context, w *world) error {
	client, err := speakingProtobuf(w)
	if err != nil {
		return err
	}
	return follow(ctx, client, w.namespace, "informed-pb")
}

func watchBookmarks(ctx context.Context, w *world) error {
	maps := w.client.CoreV1().ConfigMaps(w.namespace)
	if _, err := maps.Create(ctx, configMap("seen", nil), metav1.CreateOptions{}); err != nil {
		return err
	}
	yes := true
	watching, err := maps.Watch(ctx, metav1.ListOptions{
		AllowWatchBookmarks: true, SendInitialEvents: &yes, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	if err != nil {
		return err
	}
	defer watching.Stop()
	seen := false
	for event := range watching.ResultChan() {
		object := event.Object.(*corev1.ConfigMap)
		seen = seen || event.Type == watch.Added && object.Name == "seen"
		if event.Type == watch.Bookmark {
			end := object.Annotations[metav1.InitialEventsAnnotationKey]
			return check(seen && end == "true" && object.ResourceVersion != "", "seen %v, bookmark %v", seen, object)
		}
	}
	return fmt.Errorf("the watch ended without a bookmark")
}

func untilSync(ctx context.Context, w *world) error {
	maps := w.client.CoreV1().ConfigMaps(w.namespace)
	list := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListFunc:  func(o metav1.ListOptions) (runtime.Object, error) { return maps.List(ctx, o) },
		WatchFunc: func(o metav1.ListOptions) (watch.Interface, error) { return maps.Watch(ctx, o) },
	}, w.client)
	made, err := maps.Create(ctx, configMap("until", nil), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	go func() {
		time.Sleep(300 * time.Millisecond)
		made.Data = map[string]string{"done": "yes"}
		_, _ = maps.Update(ctx, made, metav1.UpdateOptions{})
	}()
	done := func(e watch.Event) (bool, error) {
		found, is := e.Object.(*corev1.ConfigMap)
		return is && found.Name == "until" && found.Data["done"] == "yes", nil
	}
	if _, err := watchtools.Until(ctx, made.ResourceVersion, list, done); err != nil {
		return err
	}
	_, err = watchtools.UntilWithSync(ctx, list, &corev1.ConfigMap{}, nil, done)
	return err
}

func dynamicClient(ctx context.Context, w *world) error {
	client, err := dynamic.NewForConfig(w.config)
	if err != nil {
		return err
	}
	services := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "services"}).Namespace(w.namespace)
	service := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "dynamic"},
		"spec": map[string]any{"selector": map[string]any{"a": "b"}, "ports": []any{map[string]any{"port": int64(80)}}},
	}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, w.namespace, nil)
	lister := factory.ForResource(schema.GroupVersionResource{Version: "v1", Resource: "services"}).Lister().ByNamespace(w.namespace)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	made, err := services.Create(ctx, service, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	ip, _, _ := unstructured.NestedString(made.Object, "spec", "clusterIP")
	if err := check(ip != "", "no cluster IP: %v", made.Object); err != nil {
		return err
	}
	service.SetLabels(map[string]string{"applied": "yes"})
	applied, err := services.Apply(ctx, "dynamic", service, metav1.ApplyOptions{FieldManager: "go-dynamic", Force: true})
	if err != nil {
		return err
	}
	seen := func(context.Context) (bool, error) {
		found, err := lister.Get("dynamic")
		return err == nil && found.(*unstructured.Unstructured).GetLabels()["applied"] == "yes", nil
	}
	if err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, seen); err != nil {
		return err
	}
	status := applied.DeepCopy()
	ingress := []any{map[string]any{"ip": "1.2.3.4"}}
	if err := unstructured.SetNestedSlice(status.Object, ingress, "status", "loadBalancer", "ingress"); err != nil {
		return err
	}
	if err := check(applied.GetLabels()["applied"] == "yes", "%v", applied.GetLabels()); err != nil {
		return err
	}
	return services.Delete(ctx, "dynamic", metav1.DeleteOptions{})
}

func metadataClient(ctx context.Context, w *world) error {
	client, err := metadata.NewForConfig(w.config)
	if err != nil {
		return err
	}
	maps := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(w.namespace)
	if _, err := w.client.CoreV1().ConfigMaps(w.namespace).Create(ctx, configMap("meta", map[string]string{"a": "b"}), metav1.CreateOptions{}); err != nil {
		return err
	}
	list, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	watching, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		return err
	}
	defer watching.Stop()
	patched, err := maps.Patch(ctx, "meta", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	event := <-watching.ResultChan()
	seen, is := event.Object.(*metav1.PartialObjectMetadata)
	if err := check(is && seen.Labels["a"] == "b" && patched.Labels["a"] == "b", "%v", event); err != nil {
		return err
	}
	return maps.Delete(ctx, "meta", metav1.DeleteOptions{})
}

func serverSideApply(ctx context.Context, w *world) error {
	client := w.client.AppsV1().Deployments(w.namespace)
	labels := map[string]string{"app": "applied"}
	wanted := appsapply.Deployment("applied", w.namespace).WithSpec(appsapply.DeploymentSpec().WithReplicas(1).
		WithSelector(metaapply.LabelSelector().WithMatchLabels(labels)).
		WithTemplate(coreapply.PodTemplateSpec().WithLabels(labels).WithSpec(coreapply.PodSpec().
			WithContainers(coreapply.Container().WithName("c").WithImage("nginx")))))
	made, err := client.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "one"})
	if err != nil {
		return err
	}
	owned, err := appsapply.ExtractDeployment(made, "one")
	if err != nil {
		return err
	}
	if err := check(owned.Spec.Replicas != nil && *owned.Spec.Replicas == 1 && owned.Spec.Strategy == nil, "owned %v", owned); err != nil {
		return err
	}
	other := appsapply.Deployment("applied", w.namespace).WithSpec(appsapply.DeploymentSpec().WithReplicas(2))
	_, err = client.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "two"})
	if err := check(errors.IsConflict(err) && strings.Contains(err.Error(), `conflict with "one": .spec.replicas`), "%v", err); err != nil {
		return err
	}
	forced, err := client.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "two", Force: true})
	if err != nil {
		return err
	}
	if err := check(*forced.Spec.Replicas == 2, "%d replicas", *forced.Spec.Replicas); err != nil {
		return err
	}
	status := appsapply.Deployment("applied", w.namespace).WithStatus(appsapply.DeploymentStatus().WithCollisionCount(3))
	got, err := client.ApplyStatus(ctx, status, metav1.ApplyOptions{FieldManager: "three", Force: true})
	if err != nil {
		return err
	}
	if err := check(got.Status.CollisionCount != nil && *got.Status.CollisionCount == 3, "status %v", got.Status); err != nil {
		return err
	}
	return client.Delete(ctx, "applied", metav1.DeleteOptions{})
}

func patches(ctx context.Context, w *world) error {
	client := w.client.AppsV1().Deployments(w.namespace)
	if _, err := client.Create(ctx, deployment("patched", 0), metav1.CreateOptions{}); err != nil {
		return err
	}
	for kind, patch := range map[types.PatchType]string{
		types.StrategicMergePatchType: `{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"nginx:2"},{"name":"d","image":"x"}]}}}}`,
		types.MergePatchType:          `{"metadata":{"annotations":{"merge":"yes"}}}`,
		types.JSONPatchType:           `[{"op":"add","path":"/metadata/labels/json","value":"yes"}]`,
	} {
		if _, err := client.Patch(ctx, "patched", kind, []byte(patch), metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	got, err := client.Get(ctx, "patched", metav1.GetOptions{})
	if err != nil {
		return err
	}
	containers := got.Spec.Template.Spec.Containers
	good := len(containers) == 2 && got.Annotations["merge"] == "yes" && got.Labels["json"] == "yes"
	if err := check(good, "%v %v", got.ObjectMeta, containers); err != nil {
		return err
	}
	_, err = client.Patch(ctx, "patched", types.JSONPatchType, []byte(`[{"op":"test","path":"/metadata/name","value":"x"}]`), metav1.PatchOptions{})
	return check(errors.IsInvalid(err), "a failed test: %v", err)
}

func conflicts(ctx context.Context, w *world) error {
	maps := w.client.CoreV1().ConfigMaps(w.namespace)
	if _, err := maps.Create(ctx, configMap("counter", map[string]string{"n": ""}), metav1.CreateOptions{}); err != nil {
		return err
	}
	failures := make(chan error, 4)
	for range 4 {
		go func() {
			failures <- retry.OnError(wait.Backoff{Steps: 50, Duration: 5 * time.Millisecond, Jitter: 1}, errors.IsConflict, func() error {
				got, err := maps.Get(ctx, "counter", metav1.GetOptions{})
				if err != nil {
					return err
				}
				got.Data["n"] += "x"
				_, err = maps.Update(ctx, got, metav1.UpdateOptions{})
				return err
			})
		}()
	}
	for range 4 {
		if err := <-failures; err != nil {
			return err
		}
	}
	got, err := maps.Get(ctx, "counter", metav1.GetOptions{})
	if err != nil {
		return err
	}
	return check(got.Data["n"] == "xxxx", "counted %q", got.Data["n"])
}

func leaderElection(ctx context.Context, w *world) error {
	led := make(chan string, 4)
	run := func(ctx context.Context, name string) {
		lock, _ := resourcelock.New(resourcelock.LeasesResourceLock, w.namespace, "leader", w.client.CoreV1(),
			w.client.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: name})
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: lock, ReleaseOnCancel: true,
			LeaseDuration: 4 * time.Second, RenewDeadline: 3 * time.Second, RetryPeriod: 500 * time.Millisecond,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { led <- name }, OnStoppedLeading: func() {},
			},
		})
	}
	first, stopFirst := context.WithCancel(ctx)
	second, stopSecond := context.WithCancel(ctx)
	defer stopSecond()
	go run(first, "first")
	leader := <-led
	go run(second, "second")
	select {
	case name := <-led:
		stopFirst()
		return fmt.Errorf("%s leads beside %s", name, leader)
	case <-time.After(1500 * time.Millisecond):
	}
	stopFirst()
	select {
	case name := <-led:
		return check(leader == "first" && name == "second", "%s, then %s", leader, name)
	case <-ctx.Done():
		return fmt.Errorf("nobody took over")
	}
}

func eventRecorders(ctx context.Context, w *world) error {
	about, err := w.client.CoreV1().ConfigMaps(w.namespace).Create(ctx, configMap("eventful", nil), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	old := record.NewBroadcaster()
	old.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: w.client.CoreV1().Events("")})
	defer old.Shutdown()
	recorder := old.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "go"})
	for range 3 {
		recorder.Event(about, corev1.EventTypeNormal, "Old", "it happened")
	}
	current := events.NewBroadcaster(&events.EventSinkImpl{Interface: w.client.EventsV1()})
	current.StartRecordingToSink(ctx.Done())
	defer current.Shutdown()
	newer := current.NewRecorder(scheme.Scheme, "go")
	for range 2 {
		newer.Eventf(about, nil, corev1.EventTypeWarning, "New", "Acting", "it happened %s", "again")
	}
	counted := func(ctx context.Context) (bool, error) {
		list, err := w.client.CoreV1().Events(w.namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=eventful"})
		if err != nil {
			return false, err
		}
		byReason := map[string]corev1.Event{}
		for _, e := range list.Items {
			byReason[e.Reason] = e
		}
		return byReason["Old"].Count == 3 && byReason["New"].ReportingController == "go", nil
	}
	return wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, counted)
}

func scaleClient(ctx context.Context, w *world) error {
	if _, err := w.client.AppsV1().Deployments(w.namespace).Create(ctx, deployment("scaled", 1), metav1.CreateOptions{}); err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(w.client.Discovery()))
	client, err := scale.NewForConfig(w.config, mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(w.client.Discovery()))
	if err != nil {
		return err
	}
	what := schema.GroupResource{Group: "apps", Resource: "deployments"}
	var got *autoscalingv1.Scale
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if got, err = client.Scales(w.namespace).Get(ctx, what, "scaled", metav1.GetOptions{}); err != nil {
			return err
		}
		got.Spec.Replicas = 3
		_, err = client.Scales(w.namespace).Update(ctx, what, got, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	typed, err := w.client.AppsV1().Deployments(w.namespace).GetScale(ctx, "scaled", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if err := check(typed.Spec.Replicas == 3 && typed.Status.Selector == "app=scaled", "%v", typed); err != nil {
		return err
	}
	typed.Spec, typed.ResourceVersion = autoscalingv1.ScaleSpec{Replicas: 0}, ""
	if _, err := w.client.AppsV1().Deployments(w.namespace).UpdateScale(ctx, "scaled", typed, metav1.UpdateOptions{}); err != nil {
		return err
	}
	return w.client.AppsV1().Deployments(w.namespace).Delete(ctx, "scaled", metav1.DeleteOptions{})
}

// runningPods makes a deployment and waits until its pods are ready.
func runningPods(ctx context.Context, w *world, name string, replicas int32) ([]corev1.Pod, error) {
	if _, err := w.client.AppsV1().Deployments(w.namespace).Create(ctx, deployment(name, replicas), metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	ready := func(ctx context.Context) (bool, error) {
		found, err := w.client.AppsV1().Deployments(w.namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && found.Status.AvailableReplicas == replicas, err
	}
	if err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, ready); err != nil {
		return nil, err
	}
	list, err := w.client.CoreV1().Pods(w.namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + name})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

func eviction(ctx context.Context, w *world) error {
	pods, err := runningPods(ctx, w, "evicted", 1)
	if err != nil {
		return err
	}
	minimum := intstr.FromInt32(1)
	budgets := w.client.PolicyV1().PodDisruptionBudgets(w.namespace)
	_, err = budgets.Create(ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "budget"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: &minimum, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "evicted"}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	counted := func(ctx context.Context) (bool, error) {
		found, err := budgets.Get(ctx, "budget", metav1.GetOptions{})
		return err == nil && found.Status.CurrentHealthy == 1, err
	}
	if err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, counted); err != nil {
		return err
	}
	evict := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pods[0].Name, Namespace: w.namespace}}
	err = w.client.PolicyV1().Evictions(w.namespace).Evict(ctx, evict)
	if err := check(errors.IsTooManyRequests(err), "with a budget: %v", err); err != nil {
		return err
	}
	if err := budgets.Delete(ctx, "budget", metav1.DeleteOptions{}); err != nil {
		return err
	}
	gone := func(ctx context.Context) (bool, error) {
		err := w.client.PolicyV1().Evictions(w.namespace).Evict(ctx, evict)
		return errors.IsNotFound(err), nil
	}
	if err := wait.PollUntilContextCancel(ctx, 200*time.Millisecond, true, gone); err != nil {
		return err
	}
	return w.client.AppsV1().Deployments(w.namespace).Delete(ctx, "evicted", metav1.DeleteOptions{})
}

func podLogs(ctx context.Context, w *world) error {
	pods, err := runningPods(ctx, w, "logged", 1)
	if err != nil {
		return err
	}
	client := w.client.CoreV1().Pods(w.namespace)
	stream, err := client.GetLogs(pods[0].Name, &corev1.PodLogOptions{}).Stream(ctx)
	if err == nil {
		_, err = io.ReadAll(stream)
	}
	if err != nil && !simulated(err) {
		return err
	}
	_, err = client.GetLogs(pods[0].Name, &corev1.PodLogOptions{Container: "none"}).Stream(ctx)
	if err := check(errors.IsBadRequest(err) && strings.Contains(err.Error(), "container none is not valid for pod"), "%v", err); err != nil {
		return err
	}
	_, err = client.GetLogs("nobody", &corev1.PodLogOptions{}).Stream(ctx)
	return check(errors.IsNotFound(err), "%v", err)
}

// simulated tells the refusal of a node that runs nothing: pocketkube's, unless a container runtime is behind it.
func simulated(err error) bool {
	return err != nil && strings.Contains(err.Error(), "does not really run")
}

func podExec(ctx context.Context, w *world) error {
	pods, err := runningPods(ctx, w, "executed", 1)
	if err != nil {
		return err
	}
	request := w.client.CoreV1().RESTClient().Post().Resource("pods").Name(pods[0].Name).Namespace(w.namespace).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: []string{"echo", "hello"}, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(w.config, "GET", request.URL().String())
	if err != nil {
		return err
	}
	var out, wrong bytes.Buffer
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &wrong})
	return check(simulated(err) || err == nil && out.String() == "hello\n", "%v, %q, %q", err, out.String(), wrong.String())
}

func paging(ctx context.Context, w *world) error {
	maps := w.client.CoreV1().ConfigMaps(w.namespace)
	for i := range 23 {
		made := configMap(fmt.Sprintf("page-%d", i), nil)
		made.Labels = map[string]string{"paged": "yes"}
		if _, err := maps.Create(ctx, made, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	pages := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return maps.List(ctx, o) })
	pages.PageSize = 5
	count := 0
	err := pages.EachListItem(ctx, metav1.ListOptions{LabelSelector: "paged=yes"}, func(runtime.Object) error {
		count++
		return nil
	})
	if err != nil {
		return err
	}
	if err := check(count == 23, "%d of 23", count); err != nil {
		return err
	}
	_, err = maps.List(ctx, metav1.ListOptions{Limit: 5, Continue: "rubbish"})
	return check(errors.IsBadRequest(err), "%v", err)
}

func deleteCollection(ctx context.Context, w *world) error {
	maps := w.client.CoreV1().ConfigMaps(w.namespace)
	if err := maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "paged=yes"}); err != nil {
		return err
	}
	list, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "paged=yes"})
	if err != nil {
		return err
	}
	return check(len(list.Items) == 0, "%d left", len(list.Items))
}

func reviewsAndTokens(ctx context.Context, w *world) error {
	seconds := int64(600)
	asked := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	account := func(ctx context.Context) (bool, error) {
		_, err := w.client.CoreV1().ServiceAccounts(w.namespace).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	}
	if err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, account); err != nil {
		return err
	}
	token, err := w.client.CoreV1().ServiceAccounts(w.namespace).CreateToken(ctx, "default", asked, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	config := rest.AnonymousClientConfig(w.config)
	config.BearerToken = token.Status.Token
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	self, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := check(self.Status.UserInfo.Username == "system:serviceaccount:"+w.namespace+":default", "%v", self.Status); err != nil {
		return err
	}
	_, err = client.CoreV1().Secrets(w.namespace).List(ctx, metav1.ListOptions{})
	if err := check(errors.IsForbidden(err), "%v", err); err != nil {
		return err
	}
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "create", Resource: "pods", Namespace: w.namespace},
	}}
	mine, err := w.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	theirs, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return check(mine.Status.Allowed && !theirs.Status.Allowed, "%v %v", mine.Status, theirs.Status)
}
