//! Spans one by one → resources with their scopes and spans.
//!
//! In go spans, each with its resource and scope; out they come together by resource, in the order in which each was
//! first met.

use std::collections::HashMap;

use super::model::{self, Attribute, Scope, Span};
use crate::otlp::wire::write::Buffer;

#[derive(Default)]
pub(super) struct Grouped {
    groups: Vec<Group>,
    known: HashMap<Vec<u8>, usize>,
}

struct Group {
    /// The resource's bytes.
    resource: Vec<u8>,
    scopes: Vec<(Scope, Buffer)>,
}

impl Grouped {
    /// The place of a resource with these attributes.
    pub(super) fn resource(&mut self, attributes: &[Attribute]) -> usize {
        let mut resource = Buffer::default();
        model::resource(&mut resource, attributes);
        let groups = &mut self.groups;
        *self.known.entry(resource.into_written()).or_insert_with_key(|resource| {
            groups.push(Group { resource: resource.clone(), scopes: Vec::new() });
            groups.len() - 1
        })
    }

    /// Adds a span to a resource.
    pub(super) fn push(&mut self, resource: usize, scope: Scope, span: &Span) {
        let Some(group) = self.groups.get_mut(resource) else { return };
        let scopes = &mut group.scopes;
        let at = scopes.iter().rposition(|(known, _)| *known == scope).unwrap_or_else(|| {
            scopes.push((scope, Buffer::default()));
            scopes.len() - 1
        });
        span.write(&mut scopes[at].1, 0x12);
    }

    /// Appends them all as those of a request.
    pub(super) fn write(&self, out: &mut Buffer) {
        for group in self.groups.iter().filter(|group| !group.scopes.is_empty()) {
            let resource_spans = out.open(0x0a, 3);
            out.bytes(0x0a, &group.resource, b"");
            for (scope, spans) in &group.scopes {
                let scope_spans = out.open(0x12, 3);
                scope.write(out, 0x0a);
                out.put(spans.written());
                out.close(scope_spans);
            }
            out.close(resource_spans);
        }
    }
}
