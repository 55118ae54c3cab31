//! The heap: dlmalloc, which is what the module has too. So what an allocation costs is the same whatever C
//! library the machine has.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;

use dlmalloc::Dlmalloc;

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(Dlmalloc::new()));

struct Heap(UnsafeCell<Dlmalloc>);

// SAFETY: this program has one thread. A lock would be counted with each allocation, and the module has none.
unsafe impl Sync for Heap {}

impl Heap {
    #[expect(clippy::mut_from_ref, reason = "there is one thread, and dlmalloc calls nobody back")]
    unsafe fn heap(&self) -> &mut Dlmalloc {
        unsafe { &mut *self.0.get() }
    }
}

// SAFETY: each call is dlmalloc's own of the same meaning.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { self.heap().malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { self.heap().calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { self.heap().free(at, layout.size(), layout.align()) };
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { self.heap().realloc(at, layout.size(), layout.align(), size) }
    }
}
