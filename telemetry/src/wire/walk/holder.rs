//! The walk through what spans are sent under: resources and scopes.

use super::super::entry::{Marks, ResourceEntry, ScopeEntry};
use super::super::fault::{At, Faulty, Flaw};
use super::super::field::{entity_ref, resource, scope};
use super::super::limit::WalkLimits;
use super::super::proto::{Extent, Reader};
use super::super::value::{Attributes, ValueView};
use super::{Pass, note_once};
use crate::semconv::SERVICE_NAME;

impl<'a> Pass<'a, '_> {
    pub(super) fn resource(
        &mut self,
        outer: &mut Reader<'a>,
        budget: u32,
        entry: &mut ResourceEntry,
    ) -> Faulty<()> {
        let body = outer.delimited().at("resource")?;
        note_once(&mut entry.body, body, &mut entry.marks);
        let (reader, budget) = outer.enter(body, budget).at("resource")?;
        self.resource_fields(reader, budget, entry).at("resource")?;
        entry.marks.add(self.values.take_marks());
        Ok(())
    }

    fn resource_fields(
        &mut self,
        mut reader: Reader<'a>,
        budget: u32,
        entry: &mut ResourceEntry,
    ) -> Faulty<()> {
        let mut n_attributes = 0;
        while !reader.is_at_end() {
            let start = reader.at();
            match reader.varint()? {
                resource::ATTRIBUTES => {
                    self.values
                        .attribute(&mut reader, budget)
                        .at_item("attributes", n_attributes)?;
                    n_attributes += 1;
                    entry.attributes = entry.attributes.up_to(reader.extent_since(start));
                }
                resource::DROPPED_ATTRIBUTES_COUNT => {
                    entry.dropped_attributes_count =
                        reader.varint().at("dropped_attributes_count")? as u32;
                }
                resource::ENTITY_REFS => {
                    let body = reader.delimited().and_then(|it| reader.enter(it, budget));
                    body.map_err(Into::into)
                        .and_then(entity)
                        .at("entity_refs")?;
                }
                other => reader.skip_unknown(other, resource::KNOWN, budget)?,
            }
        }
        if n_attributes > self.limits.attributes_max {
            entry.marks.add(Marks::OVER);
        }
        Ok(())
    }

    pub(super) fn scope(
        &mut self,
        outer: &mut Reader<'a>,
        budget: u32,
        entry: &mut ScopeEntry,
    ) -> Faulty<()> {
        let body = outer.delimited().at("scope")?;
        note_once(&mut entry.body, body, &mut entry.marks);
        let (reader, budget) = outer.enter(body, budget).at("scope")?;
        self.scope_fields(reader, budget, entry).at("scope")?;
        entry.marks.add(self.values.take_marks());
        Ok(())
    }

    fn scope_fields(
        &mut self,
        mut reader: Reader<'a>,
        budget: u32,
        entry: &mut ScopeEntry,
    ) -> Faulty<()> {
        let mut n_attributes = 0;
        let bytes_max = self.limits.string_bytes_max;
        while !reader.is_at_end() {
            let start = reader.at();
            match reader.varint()? {
                scope::NAME => {
                    entry.name = reader
                        .limited_string(bytes_max, &mut entry.marks)
                        .at("name")?;
                }
                scope::VERSION => {
                    entry.version = reader
                        .limited_string(bytes_max, &mut entry.marks)
                        .at("version")?;
                }
                scope::ATTRIBUTES => {
                    self.values
                        .attribute(&mut reader, budget)
                        .at_item("attributes", n_attributes)?;
                    n_attributes += 1;
                    entry.attributes = entry.attributes.up_to(reader.extent_since(start));
                }
                scope::DROPPED_ATTRIBUTES_COUNT => {
                    entry.dropped_attributes_count =
                        reader.varint().at("dropped_attributes_count")? as u32;
                }
                other => reader.skip_unknown(other, scope::KNOWN, budget)?,
            }
        }
        if n_attributes > self.limits.attributes_max {
            entry.marks.add(Marks::OVER);
        }
        Ok(())
    }
}

/// `EntityRef` is kept as it comes, never read; prost reads it, so its text is checked.
fn entity((mut reader, budget): (Reader<'_>, u32)) -> Faulty<()> {
    while !reader.is_at_end() {
        match reader.varint()? {
            entity_ref::SCHEMA_URL => reader.string().at("schema_url").map(drop)?,
            entity_ref::TYPE => reader.string().at("type").map(drop)?,
            entity_ref::ID_KEYS => reader.string().at("id_keys").map(drop)?,
            entity_ref::DESCRIPTION_KEYS => reader.string().at("description_keys").map(drop)?,
            other => reader.skip_unknown(other, entity_ref::KNOWN, budget)?,
        }
    }
    Ok(())
}

pub(super) fn schema_url(
    reader: &mut Reader<'_>,
    bytes_max: u32,
    marks: &mut Marks,
) -> Faulty<Extent> {
    let limited: Result<Extent, Flaw> = reader.limited_string(bytes_max, marks);
    limited.at("schema_url")
}

/// Why no span under this resource or scope can be accepted, if so.
pub(super) fn rejection(marks: Marks, body: Option<Extent>, limits: &WalkLimits) -> Option<String> {
    let n_bytes = body.unwrap_or_default().len();
    if marks.has(Marks::DEEP) {
        Some(format!(
            "values nested deeper than {} levels",
            limits.nesting_max
        ))
    } else if n_bytes > limits.span_bytes_max {
        Some(format!(
            "{n_bytes} bytes, at most {} are taken",
            limits.span_bytes_max
        ))
    } else {
        None
    }
}

/// Where the text of the first `service.name` lies.
pub(super) fn service_name(bytes: &[u8], attributes: Extent) -> Option<Extent> {
    let reader = Reader::within(bytes, attributes);
    let name =
        Attributes::new(reader, resource::ATTRIBUTES).find_map(|(key, value)| match value {
            ValueView::Str(name) if key == SERVICE_NAME => Some(name),
            _ => None,
        })?;
    let start = name.as_ptr().addr() - bytes.as_ptr().addr();
    Some(Extent {
        start: start as u32,
        end: (start + name.len()) as u32,
    })
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use prost::Message;

    use super::*;

    /// What is found in a resource that says these of itself.
    fn found(said: &[(&str, Value)]) -> Option<String> {
        let attribute = |(key, value): &(&str, Value)| KeyValue {
            key: (*key).to_owned(),
            value: Some(AnyValue {
                value: Some(value.clone()),
            }),
            ..KeyValue::default()
        };
        let resource = Resource {
            attributes: said.iter().map(attribute).collect(),
            ..Resource::default()
        };
        let bytes = resource.encode_to_vec();
        let whole = Extent {
            start: 0,
            end: bytes.len() as u32,
        };
        let name = service_name(&bytes, whole)?;
        Some(name.text(&bytes).to_owned())
    }

    #[test]
    fn a_services_name_is_the_first_text_under_its_key_also_an_empty_one() {
        let text = |text: &str| Value::StringValue(text.to_owned());
        let long = "x".repeat(200);
        for name in ["", "cart", &long] {
            let said = [("host.name", text("a")), ("service.name", text(name))];
            assert_eq!(found(&said).as_deref(), Some(name));
        }
        let said = [
            ("service.name", Value::IntValue(7)),
            ("service.name", text("first")),
            ("service.name", text("second")),
        ];
        assert_eq!(found(&said).as_deref(), Some("first"));
        assert_eq!(found(&[("host.name", text("a"))]), None);
    }
}
