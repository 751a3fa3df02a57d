//! Jobs that begin with the answer to another: a parcel is followed once its label is there.
//!
//! *Guarantee*: the id of such a job is made from its parent's, so however often the parent's answer
//! is recorded, it begins once.

use adapters::attempt::FollowUp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Hub;
use crate::{
    clock::real_now,
    store::admission::{Body, Entry, Fate},
};

/// Who asks, in jobs that nobody published.
const REQUESTED_BY: &str = "hub";

/// The id of the job of this operation that belongs to a parent.
pub fn child_id(parent: Uuid, operation: &str) -> Uuid {
    Uuid::new_v5(&parent, operation.as_bytes())
}

/// Stands for the content of a job whose id says all: nobody publishes it.
pub fn hash_of(id: Uuid) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

/// The job as it is admitted; its subject is its parent's.
pub fn entry(hub: &Hub, parent: Uuid, begins: FollowUp) -> Entry {
    let FollowUp { operation, input } = begins;
    let id = child_id(parent, operation.name);
    Entry {
        id,
        content_hash: hash_of(id),
        operation: Some(operation),
        subject: None,
        reply: None,
        code: None,
        child: None,
        fate: Fate::Job {
            start: false,
            body: Box::new(Body {
                requested_by: REQUESTED_BY.to_owned(),
                priority: contracts::job::Priority::Bulk.rank(),
                input: input.into_exposed(),
                consent: None,
                verify_job: None,
                retry_of: None,
                callback_url: None,
                requested_at: real_now(),
                sla: hub.config.operations[operation.name].sla,
            }),
        },
    }
}
