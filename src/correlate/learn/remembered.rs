//! What a stream taught so far, for those that number templates and look spans up: data only.
//!
//! Nothing for finished logs; decayed statistics where a stream's lines are learned from; the model where they are decided
//! by what was learned.

use super::decay::DecayedStatistics;
use super::model::Model;
use super::tuning::{TEMPLATE_LINES_LEAST, TEMPLATE_VALUE_LINES};
use super::written_time::Delay;
use crate::correlate::text::templates::Template;

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Remembered<'a> {
    pub(crate) decayed: Option<&'a DecayedStatistics>,
    pub(crate) model: Option<&'a Model>,
}

impl Remembered<'_> {
    /// Which kind of a line of a service makes its template. `lines`: how many there are of its fine kind, and of that with its
    /// values.
    pub(crate) fn kind_of(&self, service: u32, template: &Template, lines: (u32, u32)) -> u64 {
        if let Some(model) = self.model {
            return match () {
                () if template.values != 0 && model.is_template(service, template.with_values()) => {
                    template.with_values()
                }
                () if model.is_known(service, template.fine) => template.fine,
                () => template.coarse,
            };
        }
        let before = |kind| self.decayed.map_or(0.0, |decayed| decayed.lines_of(service, kind));
        match () {
            () if template.values != 0 && lines.1 as f32 + before(template.with_values()) >= TEMPLATE_VALUE_LINES => {
                template.with_values()
            }
            () if (lines.0 as f32 + before(template.fine)) < TEMPLATE_LINES_LEAST => template.coarse,
            () => template.fine,
        }
    }

    /// Digits of the second in lines of a template.
    pub(crate) fn digits_of(&self, service: u32, template: u64) -> u8 {
        self.model.map_or(0, |model| model.digits_of(service, template))
    }

    /// The delay of a writer's timestamps.
    pub(crate) fn delay_of(&self, writer: u32) -> Option<Delay> {
        self.model.map(|model| model.delays.of(writer))
    }
}
