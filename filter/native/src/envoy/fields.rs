//! Header fields and bodies, where Envoy has them.

use std::marker::PhantomData;
use std::slice;

use podpin::http::{HeaderMap, Packed};

use crate::abi::{self, Field};

use super::view;

/// The headers of a message.
pub(crate) enum Map {
    Request,
    Response,
}

/// Of a body: what just arrived.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    Request,
    Response,
}

/// All headers of a message, in place.
pub(crate) struct Fields<'a> {
    fields: Vec<Field>,
    _of: PhantomData<&'a ()>,
}

// === impl Fields ===

impl Fields<'_> {
    pub(crate) fn none() -> Self {
        Self { fields: Vec::new(), _of: PhantomData }
    }

    /// # Safety
    ///
    /// As [`Self::new`]'s.
    pub(super) unsafe fn of(fields: Vec<Field>) -> Self {
        Self { fields, _of: PhantomData }
    }

    /// # Safety
    ///
    /// They live as long as this.
    pub(crate) unsafe fn new(data: *const Field, count: usize) -> Self {
        // SAFETY: as the caller says.
        let fields = if count == 0 { &[] } else { unsafe { slice::from_raw_parts(data, count) } };
        Self { fields: fields.to_vec(), _of: PhantomData }
    }
}

impl HeaderMap for Fields<'_> {
    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        // SAFETY: they live as long as this.
        self.fields.iter().map(|field| unsafe { (view(field.name), view(field.value)) })
    }

    fn keep(self) -> Packed {
        // At once what collecting does in many steps.
        let size = |field: &Field| field.name.size + field.value.size + 2;
        let head = 4 + 8 * self.fields.len();
        let mut block = Vec::with_capacity(head + self.fields.iter().map(size).sum::<usize>());
        block.extend_from_slice(&(self.fields.len() as u32).to_le_bytes());
        for field in &self.fields {
            block.extend_from_slice(&(field.name.size as u32).to_le_bytes());
            block.extend_from_slice(&(field.value.size as u32).to_le_bytes());
        }
        for (name, value) in self.fields() {
            for part in [name, value] {
                block.extend_from_slice(part);
                block.push(0);
            }
        }
        Packed::new(block)
    }
}

// === impl Map ===

impl Map {
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Request => abi::map::REQUEST,
            Self::Response => abi::map::RESPONSE,
        }
    }
}

impl Body {
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Request => abi::body::RECEIVED_REQUEST,
            Self::Response => abi::body::RECEIVED_RESPONSE,
        }
    }
}
