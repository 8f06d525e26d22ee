// Package backplane is the port to what carries events between nodes and keeps the logs. It never sees a connection.
//
// The logs are the truth. The relay (what Run passes on) is a fast path that may fail, and says so: by a doubt. Everything
// that reads events repairs itself by reading the logs again from where it knows it was.
//
// # Order
//
// A tenant lives in one partition (PartitionOf). A partition has one clock, one order and one relay. Every append gets a
// position that is greater than all earlier ones of its partition. The relay passes events on in that order.
//
// # Chain
//
// An entry's Prev says: no event of this log lies between Prev and me. It is the position of the log's previous entry.
// Where the log was absent (never written, or expired), it is the earlier of (the partition's clock minus the retention
// age) and (the partition's head before this append), and the entry is Loose: such a Prev is a bound that Replay judges a
// reader's absence by, and says nothing about what the relay has passed on. A reader of the relay that meets an entry
// which is not Loose and whose Prev comes after what it last had of that log has missed something.
//
// # Gaps
//
// Replay gives every page a verdict for the position it was asked from, the page's "after":
//
//   - lost: it lies before the partition's birth, at or before a mark, beyond the end of its timeline, or in a timeline
//     that the store does not know.
//   - expired: the log is gone, and "after" is older than the retention age; or the log went and was written again: the
//     first entry behind "after" is Loose and its Prev comes after "after".
//   - trimmed: the first entry behind "after", also when it lies beyond "through", is not Loose and its Prev comes after
//     "after".
//   - none otherwise. A position equal to the head, of the same timeline and without a mark, never has a gap.
//
// An engine whose store is full may let go of logs before their time, the ones with the oldest last entry first. For absent
// logs, in verdicts and in the chain, the last position of those that went then stands for (the partition's clock minus
// the retention age) wherever it is the later of the two.
//
// Ages are measured on the partition's clock, never a node's. A page whose verdict is lost carries no entries. Telling a gap
// twice is harmless; not telling one is not: an engine that is not sure tells.
//
// # Writing an engine
//
// Its package passes backplanetest.Run. What it cannot do, it declares in its Capabilities; the suite reads them.
package backplane
