//! `metadata`: what is told of pods, as it is written in the agent's file, and what that means with flags and defaults.

use std::path::PathBuf;

use super::fields::{Field, Names, Problems, Sited};
use super::keys::{NONE, names};
use crate::cli::{AgentArgs, MetadataName};
use crate::config::error::{ConfigError, Surroundings};
use crate::metadata::kubelet::KubeletConfig;
use crate::metadata::pod_list::Sent;
use crate::otlp::Role;
use crate::otlp::endpoint::{Endpoint, TlsSettings};
use crate::run::agent::MetadataConfig;

/// What stands in a file; `None`: it does not.
#[derive(Debug, Default)]
pub(super) struct MetadataWritten {
    from: Option<MetadataName>,
    url: Option<Sited<String>>,
    /// `Some(None)`: turned off.
    ca: Option<Option<PathBuf>>,
    /// `Some(None)`: turned off.
    token: Option<Option<PathBuf>>,
    insecure_skip_verify: Option<bool>,
    labels: Option<bool>,
    annotations: Option<Vec<String>>,
}

const METADATA: Names = names(&["from", "url", "ca", "token", "insecure_skip_verify", "labels", "annotations"], &[]);
const FROM: [(&str, MetadataName); 3] =
    [("none", MetadataName::None), ("path", MetadataName::Path), ("kubelet", MetadataName::Kubelet)];
const BOOLEANS: [(&str, bool); 2] = [("true", true), ("false", false)];

/// Where a pod finds its service account.
const TOKEN_DEFAULT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const CA_DEFAULT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
/// The address of its node, as a pod of a DaemonSet is told it.
const NODE_IP: &str = "NODE_IP";
const PORT: u16 = 10250;

pub(super) fn written(field: &Field<'_>, problems: &mut Problems) -> Option<MetadataWritten> {
    let metadata = field.section(METADATA, problems)?;
    let boolean = |field: &Field<'_>, problems: &mut Problems| field.choice(&BOOLEANS, problems);
    let url = |field: &Field<'_>, problems: &mut Problems| {
        Some(Sited { line: field.node.line, value: field.text(problems)? })
    };
    let annotations = |field: &Field<'_>, problems: &mut Problems| {
        Some(field.each(problems, Field::text).into_iter().map(|sited| sited.value).collect())
    };
    Some(MetadataWritten {
        from: metadata.read("from", problems, |field, problems| field.choice(&FROM, problems)),
        url: metadata.read_or_off("url", problems, url).flatten(),
        ca: metadata.read_or_off("ca", problems, Field::absolute_path),
        token: metadata.read_or_off("token", problems, Field::absolute_path),
        insecure_skip_verify: metadata.read("insecure_skip_verify", problems, boolean),
        labels: metadata.read("labels", problems, boolean),
        annotations: metadata.read_or_off("annotations", problems, annotations).map(Option::unwrap_or_default),
    })
}

/// `of_file`: what stands in the file; `Some(None)`: there it is turned off.
pub(super) fn resolved(
    args: &AgentArgs,
    of_file: Option<Option<MetadataWritten>>,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Result<MetadataConfig, ConfigError> {
    let is_off = matches!(of_file, Some(None));
    let of_file = of_file.flatten().unwrap_or_default();
    let default = if is_off { MetadataName::None } else { MetadataName::Path };
    match args.metadata.or(of_file.from).unwrap_or(default) {
        MetadataName::None => return Ok(MetadataConfig::None),
        MetadataName::Path => return Ok(MetadataConfig::Path),
        MetadataName::Kubelet => {}
    }
    let skip_verify = args.metadata_insecure_skip_verify || of_file.insecure_skip_verify.unwrap_or_default();
    let default_url = || {
        let node = (around.variable)(NODE_IP).filter(|address| !address.is_empty());
        let node = node.unwrap_or_else(|| "127.0.0.1".to_owned());
        // IPv6 stands in brackets.
        if node.contains(':') { format!("https://[{node}]:{PORT}") } else { format!("https://{node}:{PORT}") }
    };
    let url = args.metadata_url.clone().or(of_file.url.as_ref().map(|url| url.value.clone()));
    let endpoint = Endpoint::of_server(&url.unwrap_or_else(default_url), Role::Kubelet);
    let mut endpoint = match (endpoint, &of_file.url) {
        (Ok(endpoint), _) => endpoint,
        (Err(error), Some(url)) if args.metadata_url.is_none() => {
            problems.add(url.line, format!("metadata.url: {error}"));
            return Ok(MetadataConfig::Path);
        }
        (Err(error), _) => return Err(ConfigError::new("--metadata-url", error)),
    };
    let is_none = |path: &PathBuf| path.as_os_str() == NONE;
    let ca = match &args.metadata_ca {
        Some(path) => Some(path.clone()).filter(|path| !is_none(path)),
        None => of_file.ca.unwrap_or_else(|| Some(CA_DEFAULT.into())),
    };
    endpoint.tls = TlsSettings { authority: ca.filter(|_| !skip_verify), skip_verify, ..TlsSettings::default() };
    Ok(MetadataConfig::Kubelet(Box::new(KubeletConfig {
        endpoint,
        token_file: of_file.token.unwrap_or_else(|| Some(TOKEN_DEFAULT.into())),
        sent: Sent { labels: of_file.labels.unwrap_or(true), annotations: of_file.annotations.unwrap_or_default() },
    })))
}
