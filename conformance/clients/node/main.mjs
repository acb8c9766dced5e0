// What programs in JavaScript do with a cluster: @kubernetes/client-node's typed and object APIs, watch, informer, exec.
// Every step prints "ok NAME" or "FAIL NAME: why"; the exit code is 1 when one failed.

import * as k8s from "@kubernetes/client-node";
import { PassThrough } from "node:stream";
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE = 60_000;
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);

const configMap = (name, data = {}, labels = {}) => ({
  apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace, labels }, data,
});
const deployment = (name, replicas) => ({
  apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace },
  spec: {
    replicas, selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image: "nginx" }] } },
  },
});

async function refused(promise, code, words = "") {
  try {
    await promise;
  } catch (error) {
    assert.equal(error.code, code, String(error));
    assert.ok(JSON.stringify(error.body).includes(words), JSON.stringify(error.body));
    return;
  }
  assert.fail(`not refused with ${code}`);
}

async function until(what, holds) {
  const end = Date.now() + PATIENCE / 2;
  while (!(await holds())) {
    if (Date.now() > end) assert.fail(`never: ${what}`);
    await sleep(100);
  }
}

const patched = (type) => k8s.setHeaderOptions("Content-Type", type);

const steps = {
  async versions() {
    const version = await config.makeApiClient(k8s.VersionApi).getCode();
    assert.equal(version.major, "1");
    const groups = await config.makeApiClient(k8s.ApisApi).getAPIVersions();
    assert.ok(groups.groups.some((g) => g.name === "apps"));
    const resources = await apps.getAPIResources();
    assert.ok(resources.resources.some((r) => r.name === "deployments/scale"));
  },
  async crud() {
    const made = await core.createNamespacedConfigMap({ namespace, body: configMap("crud", { a: "1" }) });
    assert.ok(made.metadata.creationTimestamp instanceof Date);
    await refused(core.createNamespacedConfigMap({ namespace, body: configMap("crud") }), 409, "AlreadyExists");
    made.data.a = "2";
    const changed = await core.replaceNamespacedConfigMap({ name: "crud", namespace, body: made });
    await refused(core.replaceNamespacedConfigMap({ name: "crud", namespace, body: made }), 409, "Conflict");
    assert.equal((await core.readNamespacedConfigMap({ name: "crud", namespace })).data.a, "2");
    const list = await core.listNamespacedConfigMap({ namespace, fieldSelector: "metadata.name=crud", limit: 1 });
    assert.deepEqual(list.items.map((i) => i.metadata.resourceVersion), [changed.metadata.resourceVersion]);
    await refused(core.createNamespacedConfigMap({ namespace, body: configMap("Not OK") }), 422, "Invalid");
    const gone = await core.deleteNamespacedConfigMap({ name: "crud", namespace, body: { propagationPolicy: "Background" } });
    assert.equal(gone.status, "Success");
    await refused(core.readNamespacedConfigMap({ name: "crud", namespace }), 404, "not found");
  },
  async patches() {
    await apps.createNamespacedDeployment({ namespace, body: deployment("patched", 0) });
    const patch = (type, body) => apps.patchNamespacedDeployment({ name: "patched", namespace, body }, patched(type));
    await patch(k8s.PatchStrategy.JsonPatch, [{ op: "add", path: "/metadata/labels", value: { json: "yes" } }]);
    await patch(k8s.PatchStrategy.MergePatch, { metadata: { labels: { merge: "yes" } } });
    const containers = [{ name: "d", image: "x" }];
    const got = await patch(k8s.PatchStrategy.StrategicMergePatch, { spec: { template: { spec: { containers } } } });
    assert.equal(got.spec.template.spec.containers.length, 2);
    assert.deepEqual(got.metadata.labels, { json: "yes", merge: "yes" });
    const scale = await apps.readNamespacedDeploymentScale({ name: "patched", namespace });
    scale.spec.replicas = 1;
    delete scale.metadata.resourceVersion; // controllers write, too: no race with them
    assert.equal((await apps.replaceNamespacedDeploymentScale({ name: "patched", namespace, body: scale })).spec.replicas, 1);
  },
  async objects() {
    await objects.create(configMap("object", { a: "1" }));
    const read = await objects.read({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "object", namespace } });
    read.data = { a: "2" };
    await objects.replace(read);
    await objects.patch(configMap("object", { b: "3" }), undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch);
    const list = await objects.list("v1", "ConfigMap", namespace, undefined, undefined, undefined, "metadata.name=object");
    assert.deepEqual(list.items[0].data, { a: "2", b: "3" });
    await objects.delete(configMap("object"));
  },
  async apply() {
    const apply = (object, manager, force) =>
      objects.patch(object, undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply);
    await apply(configMap("applied", { a: "1" }), "one");
    await refused(apply(configMap("applied", { a: "2" }), "two"), 409, "conflict with");
    const got = await apply(configMap("applied", { a: "2" }), "two", true);
    assert.deepEqual(got.metadata.managedFields.find((f) => f.manager === "two").operation, "Apply");
  },
  async watch() {
    const seen = [];
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const start = (await core.listNamespacedConfigMap({ namespace })).metadata.resourceVersion;
    const watching = await new k8s.Watch(config).watch(path, { resourceVersion: start, allowWatchBookmarks: true },
      (type, object) => seen.push(`${type} ${object.metadata.name}`), () => {});
    await core.createNamespacedConfigMap({ namespace, body: configMap("watched") });
    await core.deleteNamespacedConfigMap({ name: "watched", namespace });
    await until("two events", () => seen.length >= 2);
    watching.abort();
    assert.deepEqual(seen, ["ADDED watched", "DELETED watched"]);
  },
  async informer() {
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
    const informer = k8s.makeInformer(config, path, () => apps.listNamespacedDeployment({ namespace }));
    const counts = { add: 0, update: 0, delete: 0 };
    for (const verb of Object.keys(counts)) informer.on(verb, () => counts[verb]++);
    await informer.start();
    await apps.createNamespacedDeployment({ namespace, body: deployment("informed", 2) });
    await until("ready pods", () => informer.get("informed", namespace)?.status?.readyReplicas === 2);
    await apps.deleteNamespacedDeployment({ name: "informed", namespace });
    await until("deletion", () => informer.get("informed", namespace) === undefined);
    await informer.stop();
    assert.ok(counts.update >= 2 && counts.delete === 1, JSON.stringify(counts));
  },
  async "pods-logs-exec"() {
    await apps.createNamespacedDeployment({ namespace, body: deployment("run", 1) });
    const list = () => core.listNamespacedPod({ namespace, labelSelector: "app=run" });
    await until("a running pod", async () => (await list()).items[0]?.status.phase === "Running");
    const { name } = (await list()).items[0].metadata;
    await refused(core.readNamespacedPodLog({ name: "nobody", namespace }), 404);
    await refused(core.readNamespacedPodLog({ name, namespace, container: "none" }), 400, "container none is not valid");
    const out = new PassThrough();
    const answer = await new k8s.Exec(config).exec(namespace, name, "c", ["true"], out, out, null, false).then(
      () => "connected", (error) => String(error.message ?? error));
    assert.match(answer, /connected|501/); // simulated nodes run nothing, and say so
    const eviction = { metadata: { name, namespace } };
    await core.createNamespacedPodEviction({ name, namespace, body: eviction });
    await apps.deleteNamespacedDeployment({ name: "run", namespace });
  },
  async top() {
    const nodes = await k8s.topNodes(core);
    assert.ok(nodes.length >= 1 && nodes[0].CPU.Capacity > 0, JSON.stringify(nodes.length));
  },
};

async function main() {
  let failed = 0;
  for (const [name, step] of Object.entries(steps)) {
    try {
      await Promise.race([step(), sleep(PATIENCE, undefined, { ref: false }).then(() => assert.fail("took too long"))]);
      console.log(`ok ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAIL ${name}: ${String(error.message ?? error).split("\n").join(" | ")}`);
    }
  }
  await core.deleteNamespace({ name: namespace });
  process.exit(failed ? 1 : 0);
}

const made = await core.createNamespace({ body: { metadata: { generateName: "node-" } } });
const namespace = made.metadata.name;
await main();
