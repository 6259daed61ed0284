//! Who wrote a line, by what its envelope says.
//!
//! In go a journal's entry, or the writer that a tool names, with what is known of the file; out comes the origin: the name of
//! its service, the component behind it, its pod and host.

use spanline_parsers::{Text, journal, pod_path, wrapper};

use crate::record::{Origin, Pod, Producer};

/// Who wrote a journal's entry: the program by its identifier, command or unit.
pub fn journal_origin(entry: &journal::Entry<'_>, around: &Origin) -> Origin {
    let text = |field: &Option<Text<'_>>| field.as_ref().map(|text| String::from_utf8_lossy(text).into_owned());
    let unit = text(&entry.unit);
    let comm = text(&entry.comm);
    let name = text(&entry.identifier).or_else(|| comm.clone());
    let by_unit = || unit.as_deref().map(|unit| unit.trim_end_matches(".service").to_owned());
    // The kernel cuts a command's name at 15 bytes, so identifiers come first.
    let program = name.or_else(by_unit).unwrap_or_default();
    let (producer, service) = producer_named(&program);
    Origin {
        service_name: service.map_or(program.clone(), str::to_owned),
        producer,
        pod: None,
        pod_facts: None,
        hides_pod: around.hides_pod,
        service_of_spans: None,
        is_guessed: false,
        host: text(&entry.hostname).or_else(|| around.host.clone()),
        unit,
        resource: around.resource.clone(),
    }
}

/// A container is a component of the control plane by its name, else it is a part of its pod.
pub fn name_after_pod(origin: &mut Origin, pod: Pod) {
    let (producer, service) = match pod.container.as_str() {
        "kube-apiserver" => (Producer::ApiServer, Some("apiserver")),
        "etcd" => (Producer::Etcd, Some("etcd")),
        "kube-scheduler" => (Producer::Scheduler, Some("kube-scheduler")),
        "kube-controller-manager" => (Producer::ControllerManager, Some("kube-controller-manager")),
        _ => (Producer::Pod, None),
    };
    origin.service_name = match service {
        Some(service) => service.to_owned(),
        None => service_of(&pod),
    };
    origin.producer = producer;
    origin.pod = Some(pod);
}

/// The pod's name without its generated suffixes, else the container's.
fn service_of(pod: &Pod) -> String {
    let service = pod_path::service_name_of_pod(&pod.name);
    if service.is_empty() { pod.container.clone() } else { service }
}

/// Who wrote a line that a tool passed on. What the tool does not say is as the file says.
pub fn wrapped_origin(writer: &wrapper::Writer<'_>, around: &Origin) -> Origin {
    let text = |text: &Text<'_>| String::from_utf8_lossy(text).into_owned();
    let some = |part: &Text<'_>| (!part.is_empty()).then(|| text(part));
    let (service, unit, host) = (some(&writer.service), some(&writer.unit), some(&writer.node));
    let mut origin = Origin { resource: around.resource.clone(), ..Origin::default() };
    if writer.pod.is_empty() && writer.uid.is_empty() {
        let by_unit = || unit.as_deref().map(|unit| unit.trim_end_matches(".service").to_owned());
        let program = service.clone().or_else(|| some(&writer.container)).or_else(by_unit);
        let (producer, own) = producer_named(program.as_deref().unwrap_or_default());
        let own = own.map(str::to_owned).or(program);
        origin.is_guessed = own.is_none() && around.is_guessed;
        origin.service_of_spans = around.service_of_spans.clone().filter(|_| own.is_none());
        origin.service_name = own.unwrap_or_else(|| around.service_name.clone());
        origin.producer = producer;
        origin.pod = around.pod.clone();
    } else {
        let of_file = around.pod.as_ref().map(|pod| pod.namespace.clone());
        let pod = Pod {
            namespace: some(&writer.namespace).or(of_file).unwrap_or_default(),
            name: text(&writer.pod),
            uid: text(&writer.uid),
            container: text(&writer.container),
            restart: None,
            container_id: some(&writer.container_id),
        };
        name_after_pod(&mut origin, pod);
        if origin.producer == Producer::Pod {
            origin.service_name = service.unwrap_or(origin.service_name);
        }
    }
    origin.host = host.or_else(|| around.host.clone());
    origin.unit = unit;
    origin
}

/// The component behind a program's name, with the name that its own tracing uses.
pub fn producer_named(program: &str) -> (Producer, Option<&'static str>) {
    match program {
        // OpenShift, microshift and microk8s run the kubelet under these names.
        "kubelet" | "hyperkube" | "kubenswrapper" | "microk8s.daemon-kubelite" => (Producer::Kubelet, Some("kubelet")),
        "crio" | "cri-o" => (Producer::Crio, Some("crio")),
        "containerd" | "dockerd" | "containerd-shim" | "containerd-shim-runc-v2" => {
            (Producer::Containerd, Some("containerd"))
        }
        "conmonrs" | "conmon-rs" => (Producer::ConmonRs, Some("conmonrs")),
        "conmon" => (Producer::Conmon, None),
        "kube-apiserver" => (Producer::ApiServer, Some("apiserver")),
        "etcd" => (Producer::Etcd, Some("etcd")),
        "kube-scheduler" => (Producer::Scheduler, None),
        "kube-controller-manager" => (Producer::ControllerManager, None),
        _ => (Producer::Other, None),
    }
}
