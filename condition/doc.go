// Package condition says what can be wrong with a station: the kinds of conditions, each with how bad it is, whose word
// counts, and its sentence and advice in English and Chinese. Tool, page, metrics and control centre all take them from here,
// so they say the same.
//
// It is a catalogue and nothing else: no state, no clock. What is wrong now is in the replicated state (package fsm), which holds
// kinds and values; package condition/reporter brings a node's own conditions there. Parts of a node know [Reporter] alone.
//
// What always holds: a kind's name and the order of its parameters never change their meaning, since logs and snapshots of
// older builds have them. A kind may get more parameters, at the end.
package condition
