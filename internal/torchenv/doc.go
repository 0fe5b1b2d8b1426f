// Package torchenv makes the Python environment of the models for the card that is there, and says what it starts with.
//
// Which torch works on a card is not known beforehand: wheels import and then lack a kernel, crash in a driver or
// compute something else. So profiles.yaml lists what can be tried, as data, and Setup goes down the list: a new
// environment beside the old one, torch from the profile's index, the self-test in a process of its own. The first
// profile that passes takes the old one's place and the verdict is kept inside it; one that fails is reported with its
// reason. The old environment goes on working until then.
//
// Environment is the other half: the variables by which a sidecar sees the discrete cards and nothing of the one
// inside the processor, keeps its kernel caches, and has no override that its wheels do not need.
package torchenv
