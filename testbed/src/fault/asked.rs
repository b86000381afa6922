//! Requests and identities, as admission, API and identity effects see them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    effect::{IdentityEffect, ObjectSelector, Operation, RequestSelector},
    pattern::{Patterns, allows},
};
use crate::network::PodFacts;

/// An object that a webhook is asked about.
#[derive(Debug, Clone)]
pub struct Review<'a> {
    /// The webhook's name.
    pub webhook: &'a str,
    /// Whether a fault brought the webhook along.
    pub own: bool,
    /// The resource, with its subresource: `pods`, `pods/exec`.
    pub resource: String,
    /// What is done to it; none for what this testbed does not know.
    pub operation: Option<Operation>,
    /// Its namespace; empty for what has none.
    pub namespace: String,
    /// Its name, or the prefix that its name is made from.
    pub name: String,
    /// Who asks.
    pub user: String,
    /// The object, or for a removal what it was.
    pub object: &'a Value,
}

impl<'a> Review<'a> {
    /// What the API server's `AdmissionReview` asks of a webhook; none when it is no such review.
    #[must_use]
    pub fn read(webhook: &'a str, own: bool, review: &'a Value) -> Option<Self> {
        let request = review.get("request")?;
        let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let resource = match text("/subResource") {
            "" => text("/resource/resource").to_owned(),
            sub => format!("{}/{sub}", text("/resource/resource")),
        };
        let object = match request.get("object") {
            None | Some(Value::Null) => request.get("oldObject")?,
            Some(object) => object,
        };
        let in_object = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let name = Some(text("/name")).filter(|name| !name.is_empty());
        let name = name.or_else(|| in_object("/metadata/name")).or_else(|| in_object("/metadata/generateName"));
        Some(Self {
            webhook,
            own,
            resource,
            operation: match text("/operation") {
                "CREATE" => Some(Operation::Create),
                "UPDATE" => Some(Operation::Update),
                "DELETE" => Some(Operation::Delete),
                "CONNECT" => Some(Operation::Connect),
                _ => None,
            },
            namespace: text("/namespace").to_owned(),
            name: name.unwrap_or_default().to_owned(),
            user: text("/userInfo/username").to_owned(),
            object,
        })
    }
}

impl ObjectSelector {
    /// Whether the object is meant.
    #[must_use]
    pub fn matches(&self, review: &Review<'_>) -> bool {
        let label =
            |key: &String| review.object.pointer("/metadata/labels").and_then(|labels| labels.get(key)?.as_str());
        self.resources.iter().any(|resource| resource == "*" || *resource == review.resource)
            && review.operation.is_some_and(|operation| self.operations.contains(&operation))
            && allows(self.namespace.as_ref(), &review.namespace)
            && allows(self.name.as_ref(), &review.name)
            && allows(self.user.as_ref(), &review.user)
            && self.labels.iter().all(|(key, wanted)| label(key).is_some_and(|own| wanted.matches(own)))
            && have(&self.fields, Some(review.object))
    }
}

/// Whether an object has all of these fields; one that is not there is as good as empty.
fn have(fields: &BTreeMap<String, Patterns>, object: Option<&Value>) -> bool {
    fields.iter().all(|(pointer, wanted)| {
        let own = match object.and_then(|object| object.pointer(pointer)) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        if own.is_empty() { wanted.mean_none() } else { wanted.matches(&own) }
    })
}

/// A request to the API server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiRequest {
    /// The verb, as the API server's own rules name it.
    pub verb: String,
    /// The resource with its subresource, or the path where it is none.
    pub resource: String,
    /// The namespace; empty where there is none.
    pub namespace: String,
    /// The object's name; empty where there is none.
    pub name: String,
    /// The client's program.
    pub user_agent: String,
    /// Who asks; empty where only the API server could tell.
    pub user: String,
    /// What is sent; none where nobody looked, or it is no JSON.
    pub body: Option<Value>,
}

impl RequestSelector {
    /// Whether the request is meant.
    #[must_use]
    pub fn matches(&self, request: &ApiRequest) -> bool {
        let optional = |wanted: &Option<Patterns>, own: &str| {
            wanted.as_ref().is_none_or(|wanted| if own.is_empty() { wanted.mean_none() } else { wanted.matches(own) })
        };
        allows(self.verb.as_ref(), &request.verb)
            && allows(self.resource.as_ref(), &request.resource)
            && optional(&self.namespace, &request.namespace)
            && optional(&self.name, &request.name)
            && allows(self.user_agent.as_ref(), &request.user_agent)
            && allows(self.user.as_ref(), &request.user)
            && have(&self.fields, request.body.as_ref())
    }
}

/// Whom a container is to be.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// Its pod.
    pub pod: &'a PodFacts,
    /// Its account in the domain, without `$`; none without a credential spec.
    pub account: Option<&'a str>,
    /// Its Windows user, without its domain; none where that does not matter.
    pub user: Option<&'a str>,
}

impl IdentityEffect {
    /// Whether the identity is meant, its pod apart.
    #[must_use]
    pub fn is_about(&self, who: &Who<'_>) -> bool {
        let fits = |wanted: &Option<Patterns>, own: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| match own {
                Some(own) => wanted.matches(own),
                None => wanted.mean_none(),
            })
        };
        fits(&self.accounts, who.account) && fits(&self.users, who.user)
    }
}
