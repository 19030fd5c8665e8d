package asdu

import "strconv"

// CauseOfTransmission says why an ASDU was sent: 0 to 63 (101, clause 7.2.3).
type CauseOfTransmission uint8

const (
	Periodic              CauseOfTransmission = 1
	Background            CauseOfTransmission = 2
	Spontaneous           CauseOfTransmission = 3
	Initialized           CauseOfTransmission = 4
	Request               CauseOfTransmission = 5
	Activation            CauseOfTransmission = 6
	ActivationCon         CauseOfTransmission = 7
	Deactivation          CauseOfTransmission = 8
	DeactivationCon       CauseOfTransmission = 9
	ActivationTermination CauseOfTransmission = 10
	RemoteReturn          CauseOfTransmission = 11 // return information caused by a remote command
	LocalReturn           CauseOfTransmission = 12 // return information caused by a local command
	FileTransfer          CauseOfTransmission = 13

	// Answers to a station interrogation and to that of group 1 to 16.
	InterrogatedStation CauseOfTransmission = 20
	InterrogatedGroup1  CauseOfTransmission = 21
	InterrogatedGroup16 CauseOfTransmission = 36

	// Answers to a general counter interrogation and to that of group 1 to 4.
	CounterGeneral CauseOfTransmission = 37
	CounterGroup1  CauseOfTransmission = 38
	CounterGroup4  CauseOfTransmission = 41

	UnknownType          CauseOfTransmission = 44
	UnknownCause         CauseOfTransmission = 45
	UnknownCommonAddress CauseOfTransmission = 46
	UnknownObjectAddress CauseOfTransmission = 47
)

var causeNames = [64]string{
	Periodic: "periodic", Background: "background", Spontaneous: "spontaneous", Initialized: "initialized",
	Request: "request", Activation: "activation", ActivationCon: "activation con",
	Deactivation: "deactivation", DeactivationCon: "deactivation con", ActivationTermination: "activation termination",
	RemoteReturn: "return remote", LocalReturn: "return local", FileTransfer: "file transfer",
	InterrogatedStation: "interrogated station", CounterGeneral: "counter general",
	UnknownType: "unknown type", UnknownCause: "unknown cause",
	UnknownCommonAddress: "unknown common address", UnknownObjectAddress: "unknown object address",
}

func init() {
	for c := InterrogatedGroup1; c <= InterrogatedGroup16; c++ {
		causeNames[c] = "interrogated group " + strconv.Itoa(int(c-InterrogatedStation))
	}
	for c := CounterGroup1; c <= CounterGroup4; c++ {
		causeNames[c] = "counter group " + strconv.Itoa(int(c-CounterGeneral))
	}
}

// String is the cause in words.
func (c CauseOfTransmission) String() string {
	if int(c) < len(causeNames) && causeNames[c] != "" {
		return causeNames[c]
	}
	return "cause " + strconv.Itoa(int(c))
}
