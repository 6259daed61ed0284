//! Spans one by one → resources with their scopes and spans.
//!
//! In go spans, each with its resource and scope; out they come together by resource, in the order in which each was
//! first met.

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

#[derive(Default)]
pub(super) struct Grouped {
    groups: Vec<ResourceSpans>,
    known: HashMap<Vec<u8>, usize>,
}

impl Grouped {
    /// The place of a resource.
    pub(super) fn resource(&mut self, resource: Resource) -> usize {
        let groups = &mut self.groups;
        *self.known.entry(resource.encode_to_vec()).or_insert_with(|| {
            groups.push(ResourceSpans { resource: Some(resource), ..ResourceSpans::default() });
            groups.len() - 1
        })
    }

    /// Adds a span to a resource.
    pub(super) fn push(&mut self, resource: usize, scope: InstrumentationScope, span: Span) {
        let Some(group) = self.groups.get_mut(resource) else { return };
        let scopes = &mut group.scope_spans;
        let at = scopes.iter().rposition(|known| known.scope.as_ref() == Some(&scope)).unwrap_or_else(|| {
            scopes.push(ScopeSpans { scope: Some(scope), ..ScopeSpans::default() });
            scopes.len() - 1
        });
        scopes[at].spans.push(span);
    }

    pub(super) fn finish(self) -> impl Iterator<Item = ResourceSpans> {
        self.groups.into_iter().filter(|group| !group.scope_spans.is_empty())
    }
}
