import com.google.gson.reflect.TypeToken;
import io.kubernetes.client.custom.V1Patch;
import io.kubernetes.client.extended.leaderelection.LeaderElectionConfig;
import io.kubernetes.client.extended.leaderelection.LeaderElector;
import io.kubernetes.client.extended.leaderelection.resourcelock.LeaseLock;
import io.kubernetes.client.informer.ResourceEventHandler;
import io.kubernetes.client.informer.SharedInformerFactory;
import io.kubernetes.client.openapi.ApiClient;
import io.kubernetes.client.openapi.ApiException;
import io.kubernetes.client.openapi.apis.AppsV1Api;
import io.kubernetes.client.openapi.apis.CoreV1Api;
import io.kubernetes.client.openapi.models.*;
import io.kubernetes.client.util.Config;
import io.kubernetes.client.util.PatchUtils;
import io.kubernetes.client.util.Watch;
import io.kubernetes.client.util.generic.GenericKubernetesApi;
import io.kubernetes.client.util.generic.dynamic.DynamicKubernetesApi;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;

/** The official Java client: CRUD, patches, watch, informers, generic and dynamic APIs, leader election. */
final class Official {
  private final ApiClient client;
  private final CoreV1Api core;
  private final String namespace;

  Official() throws Exception {
    client = Config.defaultClient();
    client.setReadTimeout(0);
    io.kubernetes.client.openapi.Configuration.setDefaultApiClient(client);
    core = new CoreV1Api(client);
    namespace = core.createNamespace(new V1Namespace().metadata(new V1ObjectMeta().generateName("java-"))).execute()
        .getMetadata().getName();
  }

  void run() throws Exception {
    Main.step("official-crud", this::crud);
    Main.step("official-patches", this::patches);
    Main.step("official-watch", this::watch);
    Main.step("official-informer", this::informer);
    Main.step("official-generic", this::generic);
    Main.step("official-leader-election", this::leaderElection);
    core.deleteNamespace(namespace).execute();
  }

  private V1ConfigMap map(String name, Map<String, String> data) {
    return new V1ConfigMap().apiVersion("v1").kind("ConfigMap").metadata(new V1ObjectMeta().name(name).namespace(namespace)).data(data);
  }

  private static void refused(int code, Callable<?> work) throws Exception {
    try {
      work.call();
    } catch (ApiException e) {
      Main.check(e.getCode() == code, e.getResponseBody());
      return;
    }
    throw new AssertionError("not refused with " + code);
  }

  private void crud() throws Exception {
    V1ConfigMap made = core.createNamespacedConfigMap(namespace, map("crud", new HashMap<>(Map.of("a", "1")))).execute();
    refused(409, () -> core.createNamespacedConfigMap(namespace, map("crud", Map.of())).execute());
    refused(422, () -> core.createNamespacedConfigMap(namespace, map("Not OK", Map.of())).execute());
    made.getData().put("a", "2");
    core.replaceNamespacedConfigMap("crud", namespace, made).execute();
    refused(409, () -> core.replaceNamespacedConfigMap("crud", namespace, made).execute());
    Main.check(core.listNamespacedConfigMap(namespace).limit(1).execute().getItems().size() == 1, "not listed");
    V1Status gone = core.deleteNamespacedConfigMap("crud", namespace).body(new V1DeleteOptions().gracePeriodSeconds(0L)).execute();
    Main.check("Success".equals(gone.getStatus()), gone);
    refused(404, () -> core.readNamespacedConfigMap("crud", namespace).execute());
    V1Secret secret = new V1Secret().metadata(new V1ObjectMeta().name("s")).data(Map.of("b", new byte[] {0, -1}));
    Main.check(core.createNamespacedSecret(namespace, secret).execute().getData().get("b")[1] == -1, "bytes are lost");
  }

  private void patches() throws Exception {
    core.createNamespacedConfigMap(namespace, map("patched", Map.of())).execute();
    for (var patch : Map.of(V1Patch.PATCH_FORMAT_JSON_MERGE_PATCH, "{\"data\":{\"merge\":\"y\"}}",
        V1Patch.PATCH_FORMAT_STRATEGIC_MERGE_PATCH, "{\"metadata\":{\"labels\":{\"s\":\"y\"}}}",
        V1Patch.PATCH_FORMAT_JSON_PATCH, "[{\"op\":\"add\",\"path\":\"/metadata/annotations\",\"value\":{\"j\":\"y\"}}]").entrySet()) {
      PatchUtils.patch(V1ConfigMap.class, () -> core.patchNamespacedConfigMap("patched", namespace, new V1Patch(patch.getValue()))
          .buildCall(null), patch.getKey(), client);
    }
    V1ConfigMap got = PatchUtils.patch(V1ConfigMap.class, () -> core.patchNamespacedConfigMap("patched", namespace,
        new V1Patch("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"data\":{\"applied\":\"y\"}}")).fieldManager("java").force(true)
        .buildCall(null), V1Patch.PATCH_FORMAT_APPLY_YAML, client);
    Main.check(got.getData().size() == 2 && got.getMetadata().getLabels() != null && got.getMetadata().getAnnotations() != null, got);
  }

  private void watch() throws Exception {
    String start = core.listNamespacedConfigMap(namespace).execute().getMetadata().getResourceVersion();
    core.createNamespacedConfigMap(namespace, map("watched", Map.of())).execute();
    core.deleteNamespacedConfigMap("watched", namespace).execute();
    var call = core.listNamespacedConfigMap(namespace).watch(true).resourceVersion(start).timeoutSeconds(20).buildCall(null);
    try (Watch<V1ConfigMap> watch = Watch.createWatch(client, call, new TypeToken<Watch.Response<V1ConfigMap>>() {}.getType())) {
      Main.check(watch.next().type.equals("ADDED") && watch.next().type.equals("DELETED"), "other events");
    }
  }

  private void informer() throws Exception {
    var apps = new AppsV1Api(client);
    var ready = new CountDownLatch(1);
    var gone = new CountDownLatch(1);
    var factory = new SharedInformerFactory(client);
    var informer = factory.sharedIndexInformerFor(p -> apps.listNamespacedDeployment(namespace).watch(p.watch)
        .resourceVersion(p.resourceVersion).timeoutSeconds(p.timeoutSeconds).buildCall(null), V1Deployment.class, V1DeploymentList.class);
    informer.addEventHandler(new ResourceEventHandler<V1Deployment>() {
      @Override public void onAdd(V1Deployment d) { }
      @Override public void onUpdate(V1Deployment old, V1Deployment d) {
        if (Objects.equals(d.getStatus().getReadyReplicas(), 2)) ready.countDown();
      }
      @Override public void onDelete(V1Deployment d, boolean unknown) { gone.countDown(); }
    });
    factory.startAllRegisteredInformers();
    Map<String, String> labels = Map.of("app", "informed");
    apps.createNamespacedDeployment(namespace, new V1Deployment().metadata(new V1ObjectMeta().name("informed"))
        .spec(new V1DeploymentSpec().replicas(2).selector(new V1LabelSelector().matchLabels(labels))
            .template(new V1PodTemplateSpec().metadata(new V1ObjectMeta().labels(labels))
                .spec(new V1PodSpec().addContainersItem(new V1Container().name("c").image("nginx")))))).execute();
    Main.check(ready.await(40, TimeUnit.SECONDS), "never ready");
    apps.deleteNamespacedDeployment("informed", namespace).execute();
    Main.check(gone.await(20, TimeUnit.SECONDS), "never gone");
    factory.stopAllRegisteredInformers();
  }

  private void generic() {
    var maps = new GenericKubernetesApi<>(V1ConfigMap.class, V1ConfigMapList.class, "", "v1", "configmaps", client);
    Main.check(maps.create(map("generic", Map.of())).isSuccess(), "not created");
    Main.check(maps.create(map("generic", Map.of())).getHttpStatusCode() == 409, "created twice");
    var services = new DynamicKubernetesApi("", "v1", "services", client);
    Main.check(services.list(namespace).isSuccess(), "not listed");
    Main.check(maps.delete(namespace, "generic").isSuccess(), "not deleted");
  }

  private void leaderElection() throws Exception {
    var led = new LinkedBlockingQueue<String>();
    var first = elect("first", led);
    Main.check("first".equals(led.poll(20, TimeUnit.SECONDS)), "first does not lead");
    var second = elect("second", led);
    Thread.sleep(1500);
    Main.check(led.isEmpty(), led);
    first.close();
    Main.check("second".equals(led.poll(20, TimeUnit.SECONDS)), "second does not take over");
    second.close();
  }

  private LeaderElector elect(String name, Queue<String> led) {
    var lock = new LeaseLock(namespace, "leader", name, client);
    var elector = new LeaderElector(new LeaderElectionConfig(lock, Duration.ofSeconds(4), Duration.ofSeconds(3), Duration.ofMillis(500)));
    var thread = new Thread(() -> elector.run(() -> led.add(name), () -> { }));
    thread.setDaemon(true);
    thread.start();
    return elector;
  }
}
