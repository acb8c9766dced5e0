import io.fabric8.kubernetes.api.model.*;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.DeploymentBuilder;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import io.fabric8.kubernetes.client.*;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.extended.leaderelection.*;
import io.fabric8.kubernetes.client.extended.leaderelection.resourcelock.LeaseLock;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;

/** fabric8's kubernetes-client: CRUD, edit, patch, apply, informers, waits, leader election. */
final class Fabric8 {
  private final KubernetesClient client = new KubernetesClientBuilder().build();
  private final String namespace;

  Fabric8() {
    Namespace made = new NamespaceBuilder().withNewMetadata().withGenerateName("fabric8-").endMetadata().build();
    namespace = client.namespaces().resource(made).create().getMetadata().getName();
  }

  void run() {
    Main.step("fabric8-versions", this::versions);
    Main.step("fabric8-crud", this::crud);
    Main.step("fabric8-patches", this::patches);
    Main.step("fabric8-apply", this::apply);
    Main.step("fabric8-watch", this::watch);
    Main.step("fabric8-informer", this::informer);
    Main.step("fabric8-load", this::load);
    Main.step("fabric8-waits", this::waits);
    Main.step("fabric8-generic", this::generic);
    Main.step("fabric8-leader-election", this::leaderElection);
    client.namespaces().withName(namespace).delete();
  }

  private ConfigMap map(String name, Map<String, String> data) {
    return new ConfigMapBuilder().withNewMetadata().withName(name).withNamespace(namespace).endMetadata().withData(data).build();
  }

  private Deployment deployment(String name, int replicas) {
    Map<String, String> labels = Map.of("app", name);
    return new DeploymentBuilder().withNewMetadata().withName(name).withNamespace(namespace).endMetadata()
        .withNewSpec().withReplicas(replicas).withNewSelector().withMatchLabels(labels).endSelector()
        .withNewTemplate().withNewMetadata().withLabels(labels).endMetadata()
        .withNewSpec().addNewContainer().withName("c").withImage("nginx").endContainer().endSpec()
        .endTemplate().endSpec().build();
  }

  private static void refused(int code, Runnable work) {
    try {
      work.run();
    } catch (KubernetesClientException e) {
      Main.check(e.getCode() == code, e.getMessage());
      return;
    }
    throw new AssertionError("not refused with " + code);
  }

  private void versions() {
    Main.check(client.getKubernetesVersion().getMajor().equals("1"), client.getKubernetesVersion());
    Main.check(client.supports(Deployment.class) && client.hasApiGroup("apps", true), "no Deployments");
    Main.check(client.getApiResources("apps/v1").getResources().size() > 5, "too few resources");
  }

  private void crud() {
    var maps = client.configMaps().inNamespace(namespace);
    ConfigMap made = maps.resource(map("crud", Map.of("a", "1"))).create();
    refused(409, () -> maps.resource(map("crud", Map.of())).create());
    refused(422, () -> maps.resource(map("Not OK", Map.of())).create());
    ConfigMap changed = maps.withName("crud").edit(m -> new ConfigMapBuilder(m).addToData("a", "2").build());
    Main.check(changed.getData().get("a").equals("2"), changed);
    refused(409, () -> maps.resource(made).lockResourceVersion(made.getMetadata().getResourceVersion())
        .update());
    ConfigMapList list = maps.withField("metadata.name", "crud").list(new ListOptionsBuilder().withLimit(1L).build());
    Main.check(list.getItems().size() == 1, list);
    List<StatusDetails> gone = maps.withName("crud").withPropagationPolicy(DeletionPropagation.FOREGROUND).delete();
    Main.check(gone.size() == 1 && gone.get(0).getName().equals("crud"), gone);
    maps.withName("crud").waitUntilCondition(Objects::isNull, 20, TimeUnit.SECONDS);
    Main.check(maps.withName("crud").delete().isEmpty(), "still there");
  }

  private void patches() {
    var resource = client.apps().deployments().resource(deployment("patched", 0));
    resource.create();
    resource.patch(PatchContext.of(PatchType.JSON_MERGE), "{\"metadata\":{\"labels\":{\"merge\":\"yes\"}}}");
    resource.patch(PatchContext.of(PatchType.STRATEGIC_MERGE), "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"d\",\"image\":\"x\"}]}}}}");
    Deployment got = resource.patch(PatchContext.of(PatchType.JSON), "[{\"op\":\"add\",\"path\":\"/spec/paused\",\"value\":true}]");
    Main.check(got.getSpec().getPaused() && got.getSpec().getTemplate().getSpec().getContainers().size() == 2, got);
    resource.editStatus(d -> new DeploymentBuilder(d).editOrNewStatus().withCollisionCount(5).endStatus().build());
    Main.check(resource.get().getStatus().getCollisionCount() == 5, resource.get().getStatus());
    Main.check(resource.scale(2).getSpec().getReplicas() == 2, "not scaled");
    resource.withGracePeriod(0).delete();
  }

  private void apply() {
    var first = client.resource(map("applied", Map.of("a", "1"))).fieldManager("one").serverSideApply();
    refused(409, () -> client.resource(map("applied", Map.of("a", "2"))).fieldManager("two").serverSideApply());
    var second = client.resource(map("applied", Map.of("a", "2"))).fieldManager("two").forceConflicts().serverSideApply();
    Main.check(first.getData().get("a").equals("1") && second.getData().get("a").equals("2"), second);
  }

  private void watch() throws Exception {
    var seen = new LinkedBlockingQueue<String>();
    var watcher = new Watcher<ConfigMap>() {
      @Override public void eventReceived(Action action, ConfigMap map) { seen.add(action + " " + map.getMetadata().getName()); }
      @Override public void onClose(WatcherException cause) { seen.add("closed " + cause); }
    };
    var maps = client.configMaps().inNamespace(namespace);
    try (Watch ignored = maps.withName("watched").watch(watcher)) {
      maps.resource(map("watched", Map.of())).create();
      maps.withName("watched").delete();
      Main.check("ADDED watched".equals(seen.poll(20, TimeUnit.SECONDS)), seen);
      Main.check("DELETED watched".equals(seen.poll(20, TimeUnit.SECONDS)), seen);
    }
  }

  private void informer() throws Exception {
    var ready = new CountDownLatch(1);
    var gone = new CountDownLatch(1);
    var handler = new ResourceEventHandler<Deployment>() {
      @Override public void onAdd(Deployment d) { }
      @Override public void onUpdate(Deployment old, Deployment d) {
        if (Objects.equals(d.getStatus().getReadyReplicas(), 2)) ready.countDown();
      }
      @Override public void onDelete(Deployment d, boolean unknown) { gone.countDown(); }
    };
    try (var informer = client.apps().deployments().inNamespace(namespace).inform(handler)) {
      client.resource(deployment("informed", 2)).create();
      Main.check(ready.await(40, TimeUnit.SECONDS), "never ready");
      Main.check(informer.getStore().getByKey(namespace + "/informed") != null, informer.getStore().listKeys());
      client.apps().deployments().inNamespace(namespace).withName("informed").delete();
      Main.check(gone.await(20, TimeUnit.SECONDS), "never gone");
    }
  }

  private void load() {
    String yaml = Serialization.asYaml(map("loaded-1", Map.of())) + "---\n" + Serialization.asYaml(map("loaded-2", Map.of()));
    var items = client.load(new java.io.ByteArrayInputStream(yaml.getBytes())).inNamespace(namespace);
    Main.check(items.create().size() == 2, "not created");
    Main.check(items.forceConflicts().serverSideApply().size() == 2, "not applied");
    items.delete();
  }

  private void waits() {
    var deployments = client.apps().deployments().inNamespace(namespace);
    deployments.resource(deployment("awaited", 1)).create();
    deployments.withName("awaited").waitUntilReady(40, TimeUnit.SECONDS);
    deployments.withName("awaited").rolling().updateImage("nginx:2");
    deployments.withName("awaited").waitUntilCondition(
        d -> d.getStatus().getObservedGeneration() >= 2 && Objects.equals(d.getStatus().getUpdatedReplicas(), 1)
            && Objects.equals(d.getStatus().getReadyReplicas(), 1), 40, TimeUnit.SECONDS);
    var pods = client.pods().inNamespace(namespace).withLabel("app", "awaited");
    Pod pod = pods.waitUntilCondition(p -> p.getStatus().getPhase().equals("Running"), 40, TimeUnit.SECONDS);
    refused(404, () -> client.pods().inNamespace(namespace).withName("nobody").evict());
    refused(400, () -> client.pods().resource(pod).inContainer("none").getLog(true));
    Main.check(client.pods().resource(pod).evict(), "not evicted");
    deployments.withName("awaited").delete();
    client.pods().resource(pod).waitUntilCondition(Objects::isNull, 40, TimeUnit.SECONDS);
    client.policy().v1().podDisruptionBudget().resource(new PodDisruptionBudgetBuilder().withNewMetadata().withName("b")
        .withNamespace(namespace).endMetadata().withNewSpec().withMinAvailable(new IntOrString("50%")).endSpec().build()).create();
  }

  private void generic() {
    var services = client.genericKubernetesResources("v1", "Service").inNamespace(namespace);
    var made = services.load(new java.io.ByteArrayInputStream(
        "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"g\"},\"spec\":{\"ports\":[{\"port\":80}]}}".getBytes())).create();
    Main.check(made.get("spec", "clusterIP") != null, made);
  }

  private void leaderElection() throws Exception {
    var led = new LinkedBlockingQueue<String>();
    var first = elect("first", led);
    Main.check("first".equals(led.poll(20, TimeUnit.SECONDS)), "first does not lead");
    var second = elect("second", led);
    Thread.sleep(1500);
    Main.check(led.isEmpty(), led);
    first.cancel(true);
    Main.check("second".equals(led.poll(20, TimeUnit.SECONDS)), "second does not take over");
    second.cancel(true);
  }

  private CompletableFuture<?> elect(String name, Queue<String> led) {
    return client.leaderElector().withConfig(new LeaderElectionConfigBuilder().withName(name).withReleaseOnCancel()
        .withLeaseDuration(Duration.ofSeconds(4)).withRenewDeadline(Duration.ofSeconds(3)).withRetryPeriod(Duration.ofMillis(500))
        .withLock(new LeaseLock(namespace, "leader", name))
        .withLeaderCallbacks(new LeaderCallbacks(() -> led.add(name), () -> { }, next -> { })).build()).build().start();
  }
}
