// Package acquisition is the controlling-station side (104c) of a FEP: it collects from the RTUs that this node owns,
// looks after the channels of those that it doesn't, and executes controls on the devices.
//
// What always holds:
//   - A link is started only in a [replica.Tenure], and every write to a started link is checked against it.
//   - A device's ASDU is acknowledged only after what it brought is committed.
//   - Values leave here only as commands that bear the RTU's epoch, and an epoch is used by one tenure of one process
//     only, so a batch number never stands for two contents.
//   - A control is sent to a device only after its start is committed, and never twice.
//   - There is never more than one connection from this node to one link.
//
// It never decides who owns an RTU: it reports what it sees of the links, and the leader's policy decides.
package acquisition
