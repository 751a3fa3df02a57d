//! Jobs that begin with the answer to another: a parcel is followed once its label is there.
//!
//! *Guarantee*: the id of such a job is made from what it does, so however often and by whomever it is
//! begun, it begins once: two labels of one parcel are followed by one job.

use adapters::attempt::FollowUp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Hub;
use crate::{
    clock::real_now,
    store::admission::{Body, Entry, Fate},
};

/// The namespace of these jobs' ids.
const FOLLOW_UPS: Uuid = Uuid::from_u128(0x5f0e_6c1a_7b52_4d0c_9a51_3b1f_0c8e_77d2);
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

/// The job as it is admitted; its subject and its trace are its parent's.
pub fn entry(hub: &Hub, begins: FollowUp) -> Entry {
    let FollowUp { operation, input } = begins;
    let id = child_id(FOLLOW_UPS, &format!("{}/{}", operation.name, input.expose()));
    Entry {
        id,
        content_hash: hash_of(id),
        operation: Some(operation),
        subject: None,
        reply: None,
        trace: None,
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
                begun_by: None,
                callback_url: None,
                requested_at: real_now(),
                sla: hub.config.operations[operation.name].sla,
            }),
        },
    }
}
