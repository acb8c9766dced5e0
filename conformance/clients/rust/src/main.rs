//! What programs in Rust do with a cluster: kube-rs' Api, watcher, reflector, Controller, finalizer, server-side apply.
//! Every step prints "ok NAME" or "FAIL NAME: why"; the exit code is 1 when one failed.

use std::{collections::BTreeMap, future::Future, process::ExitCode, sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, Pod},
};
use kube::{
    Api, Client, Error, Resource, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, LogParams, ObjectMeta, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    core::{PartialObjectMeta, PartialObjectMetaExt},
    discovery::{Discovery, Scope},
    runtime::{
        Controller, WatchStreamExt, conditions,
        controller::Action,
        finalizer::{Event as Finalizer, finalizer},
        reflector, wait::await_condition, watcher,
    },
};
use serde_json::json;

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let client = Client::try_default().await.expect("a kubeconfig");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let named = ObjectMeta { generate_name: Some("rust-".into()), ..ObjectMeta::default() };
    let made = namespaces.create(&PostParams::default(), &Namespace { metadata: named, ..Namespace::default() }).await.expect("a namespace");
    let (ns, mut failed) = (made.name_any(), 0);
    failed += step("discovery", discovery(client.clone())).await;
    failed += step("crud", crud(client.clone(), ns.clone())).await;
    failed += step("patches", patches(client.clone(), ns.clone())).await;
    failed += step("server-side-apply", apply(client.clone(), ns.clone())).await;
    failed += step("raw-watch", raw_watch(client.clone(), ns.clone())).await;
    failed += step("watcher-list-watch", follow(client.clone(), ns.clone(), watcher::Config::default(), "listed")).await;
    failed += step("watcher-streaming-list", follow(client.clone(), ns.clone(), watcher::Config::default().streaming_lists(), "streamed")).await;
    failed += step("metadata-watcher", metadata(client.clone(), ns.clone())).await;
    failed += step("dynamic", dynamic(client.clone(), ns.clone())).await;
    failed += step("await-condition", wait_for_pods(client.clone(), ns.clone())).await;
    failed += step("controller", controller(client.clone(), ns.clone())).await;
    namespaces.delete(&ns, &DeleteParams::background()).await.expect("the namespace goes");
    ExitCode::from(u8::from(failed > 0))
}

async fn step(name: &str, work: impl Future<Output = Outcome>) -> u32 {
    let why = match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(())) => {
            println!("ok {name}");
            return 0;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "took too long".into(),
    };
    println!("FAIL {name}: {why}");
    1
}

fn check(holds: bool, what: impl std::fmt::Debug) -> Outcome {
    if holds { Ok(()) } else { Err(format!("{what:?}").into()) }
}

fn code<T>(answer: Result<T, Error>) -> u16 {
    match answer {
        Err(Error::Api(status)) => status.code,
        Err(_) => 1,
        Ok(_) => 0,
    }
}

fn config_map(name: &str) -> ConfigMap {
    let labels = Some(BTreeMap::from([("app".to_owned(), name.to_owned())]));
    ConfigMap { metadata: ObjectMeta { name: Some(name.into()), labels, ..ObjectMeta::default() }, ..ConfigMap::default() }
}

fn deployment(name: &str, replicas: i32) -> Deployment {
    serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}},
        },
    }))
    .expect("a deployment")
}

async fn discovery(client: Client) -> Outcome {
    let version = client.apiserver_version().await?;
    check(version.major == "1", &version)?;
    for found in [Discovery::new(client.clone()).run().await?, Discovery::new(client).run_aggregated().await?] {
        let groups: Vec<_> = found.groups().map(|g| g.name().to_owned()).collect();
        check(groups.len() > 10, &groups)?;
        let (_, capabilities) = found.get("apps").and_then(|g| g.recommended_kind("Deployment")).ok_or("no Deployment")?;
        check(capabilities.scope == Scope::Namespaced && capabilities.subresources.len() == 2, &capabilities)?;
    }
    Ok(())
}

async fn crud(client: Client, ns: String) -> Outcome {
    let api: Api<ConfigMap> = Api::namespaced(client, &ns);
    let mut made = api.create(&PostParams::default(), &config_map("crud")).await?;
    check(code(api.create(&PostParams::default(), &config_map("crud")).await) == 409, "created twice")?;
    made.data = Some(BTreeMap::from([("a".into(), "1".into())]));
    let stale = made.clone();
    api.replace("crud", &PostParams::default(), &made).await?;
    check(code(api.replace("crud", &PostParams::default(), &stale).await) == 409, "replaced twice")?;
    let list = api.list(&ListParams::default().labels("app=crud").limit(1)).await?;
    check(list.items.len() == 1 && list.items[0].data == made.data, &list)?;
    check(code(api.create(&PostParams::default(), &config_map("Not OK")).await) == 422, "an invalid name")?;
    let entry = api.entry("entered").await?.or_insert(|| config_map("entered"));
    entry.and_modify(|c| c.annotations_mut().insert("a".into(), "b".into()).map_or((), drop)).commit(&PostParams::default()).await?;
    let gone = api.delete("crud", &DeleteParams::foreground()).await?;
    gone.map_left(|left| println!("# deletion of {} under way", left.name_any()));
    let collected = api.delete_collection(&DeleteParams::default(), &ListParams::default().labels("app=entered")).await?;
    collected.map_left(|list| drop(list.items));
    check(api.get_opt("entered").await?.is_none(), "still there")
}

async fn patches(client: Client, ns: String) -> Outcome {
    let api: Api<Deployment> = Api::namespaced(client, &ns);
    api.create(&PostParams::default(), &deployment("patched", 0)).await?;
    let params = PatchParams::default();
    api.patch("patched", &params, &Patch::Merge(json!({"metadata": {"labels": {"merge": "yes"}}}))).await?;
    let added = json!({"spec": {"template": {"spec": {"containers": [{"name": "d", "image": "x"}]}}}});
    api.patch("patched", &params, &Patch::Strategic(added)).await?;
    let operations: json_patch::Patch = serde_json::from_value(json!([{"op": "add", "path": "/spec/paused", "value": true}]))?;
    let got = api.patch("patched", &params, &Patch::Json::<()>(operations)).await?;
    let spec = &got.spec;
    let containers = spec.template.spec.as_ref().map_or(0, |s| s.containers.len());
    check(got.labels().contains_key("merge") && containers == 2 && spec.paused == Some(true), &got)?;
    let mut scale = api.get_scale("patched").await?;
    check(scale.spec.as_ref().and_then(|s| s.replicas).unwrap_or_default() == 0, &scale)?;
    scale = api.patch_scale("patched", &params, &Patch::Merge(json!({"spec": {"replicas": 2}}))).await?;
    check(scale.spec.as_ref().and_then(|s| s.replicas) == Some(2), &scale)?;
    let status = json!({"status": {"collisionCount": 5}});
    let got = api.patch_status("patched", &params, &Patch::Merge(status)).await?;
    check(got.status.as_ref().and_then(|s| s.collision_count) == Some(5), &got.status)
}

async fn apply(client: Client, ns: String) -> Outcome {
    let api: Api<ConfigMap> = Api::namespaced(client, &ns);
    let object = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": value}});
    api.patch("applied", &PatchParams::apply("one"), &Patch::Apply(object("1"))).await?;
    let conflict = api.patch("applied", &PatchParams::apply("two"), &Patch::Apply(object("2"))).await;
    check(code(conflict) == 409, "no conflict")?;
    let got = api.patch("applied", &PatchParams::apply("two").force(), &Patch::Apply(object("2"))).await?;
    let managers: Vec<_> = got.managed_fields().iter().filter_map(|m| m.manager.clone()).collect();
    check(managers == ["two"], &managers)?;
    let meta = ObjectMeta { labels: Some(BTreeMap::from([("m".into(), "y".into())])), ..ObjectMeta::default() };
    let patched = api.patch_metadata("applied", &PatchParams::apply("meta"), &Patch::Apply(&meta.into_request_partial::<ConfigMap>())).await?;
    check(patched.labels().contains_key("m"), &patched)
}

async fn raw_watch(client: Client, ns: String) -> Outcome {
    let api: Api<ConfigMap> = Api::namespaced(client, &ns);
    let start = api.list(&ListParams::default()).await?.metadata.resource_version.ok_or("no version")?;
    api.create(&PostParams::default(), &config_map("raw")).await?;
    api.delete("raw", &DeleteParams::default()).await?;
    let mut stream = api.watch(&WatchParams::default().labels("app=raw").timeout(20), &start).await?.boxed();
    let (first, second) = (stream.try_next().await?, stream.try_next().await?);
    check(matches!(first, Some(WatchEvent::Added(_))) && matches!(second, Some(WatchEvent::Deleted(_))), (first, second))
}

async fn follow(client: Client, ns: String, config: watcher::Config, name: &str) -> Outcome {
    let api: Api<ConfigMap> = Api::namespaced(client, &ns);
    api.create(&PostParams::default(), &config_map(name)).await?;
    let (reader, writer) = reflector::store();
    let label = format!("app={name}");
    let mut stream = reflector(writer, watcher(api.clone(), config.labels(&label))).default_backoff().applied_objects().boxed();
    let first = stream.try_next().await?.ok_or("the end")?;
    check(first.name_any() == name, &first)?;
    api.patch(name, &PatchParams::default(), &Patch::Merge(json!({"data": {"a": "b"}}))).await?;
    let second = stream.try_next().await?.ok_or("the end")?;
    check(second.data.is_some() && reader.state().len() == 1, &second)
}

async fn metadata(client: Client, ns: String) -> Outcome {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &ns);
    maps.create(&PostParams::default(), &config_map("partial")).await?;
    let api: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(client, &ns);
    let mut stream = watcher(api, watcher::Config::default().labels("app=partial")).applied_objects().boxed();
    let seen = stream.try_next().await?.ok_or("the end")?;
    check(seen.name_any() == "partial" && seen.types.as_ref().is_some_and(|t| t.kind == "PartialObjectMetadata"), &seen)
}

async fn dynamic(client: Client, ns: String) -> Outcome {
    let kind = kube::core::GroupVersionKind::gvk("", "v1", "Service");
    let (resource, _) = kube::discovery::pinned_kind(&client, &kind).await?;
    let api: Api<DynamicObject> = Api::namespaced_with(client, &ns, &resource);
    let object = DynamicObject::new("dynamic", &resource).data(json!({"spec": {"ports": [{"port": 80}]}}));
    let made = api.create(&PostParams::default(), &object).await?;
    check(made.data["spec"]["clusterIP"].is_string(), &made)
}

async fn wait_for_pods(client: Client, ns: String) -> Outcome {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &ns);
    deployments.create(&PostParams::default(), &deployment("awaited", 1)).await?;
    await_condition(deployments.clone(), "awaited", conditions::is_deployment_completed()).await?;
    let pods: Api<Pod> = Api::namespaced(client, &ns);
    let pod = pods.list(&ListParams::default().labels("app=awaited")).await?.items.remove(0);
    await_condition(pods.clone(), &pod.name_any(), conditions::is_pod_running()).await?;
    check(code(pods.logs("nobody", &LogParams::default()).await) == 404, "logs of nobody")?;
    let evicted = pods.evict(&pod.name_any(), &Default::default()).await?;
    check(evicted.is_success(), &evicted)?;
    await_condition(pods, &pod.name_any(), conditions::is_deleted(&pod.uid().ok_or("no uid")?)).await?;
    deployments.delete("awaited", &DeleteParams::default()).await?;
    Ok(())
}

/// A ConfigMap labelled app=operated owns a Deployment, has a finalizer, and is told how many pods are ready.
async fn operate(app: Arc<ConfigMap>, client: Arc<Client>) -> Result<Action, kube::runtime::finalizer::Error<Error>> {
    let ns = app.namespace().unwrap_or_default();
    let maps: Api<ConfigMap> = Api::namespaced((*client).clone(), &ns);
    let deployments: Api<Deployment> = Api::namespaced((*client).clone(), &ns);
    finalizer(&maps.clone(), "example.com/clean", app, |event| async move {
        let Finalizer::Apply(app) = event else { return Ok(Action::await_change()) };
        let mut wanted = deployment(&app.name_any(), 2);
        wanted.metadata.owner_references = Some(vec![app.controller_owner_ref(&()).expect("a stored object")]);
        let params = PatchParams::apply("operator").force();
        let made = deployments.patch(&app.name_any(), &params, &Patch::Apply(&wanted)).await?;
        let ready = made.status.and_then(|s| s.ready_replicas).unwrap_or_default().to_string();
        let told = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"annotations": {"ready": ready}}});
        maps.patch(&app.name_any(), &params, &Patch::Apply(told)).await?;
        Ok(Action::await_change())
    })
    .await
}

async fn controller(client: Client, ns: String) -> Outcome {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &ns);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &ns);
    let running = Controller::new(maps.clone(), watcher::Config::default().labels("app=operated"))
        .owns(deployments.clone(), watcher::Config::default())
        .run(operate, |_, _, _| Action::requeue(Duration::from_secs(1)), Arc::new(client))
        .for_each(|_| async {});
    let task = tokio::spawn(running);
    let made = maps.create(&PostParams::default(), &config_map("operated")).await?;
    await_condition(maps.clone(), "operated", |o: Option<&ConfigMap>| o.is_some_and(|c| c.annotations().get("ready").is_some_and(|r| r == "2"))).await?;
    maps.delete("operated", &DeleteParams::foreground()).await?;
    await_condition(maps, "operated", conditions::is_deleted(&made.uid().ok_or("no uid")?)).await?;
    await_condition(deployments, "operated", |o: Option<&Deployment>| o.is_none()).await?;
    task.abort();
    Ok(())
}
