package jobs

import (
	"maps"

	"github.com/google/uuid"
)

// Statements are all of this package by name, with those that depend on a filter, for the test that looks at their
// plans.
func Statements() map[string]string {
	all := maps.Clone(statements)
	status, kinds := []Status{Failed, Canceled}, []Type{TypeImage, TypeExport}
	id := &uuid.Nil
	for name, f := range map[string]Filter{
		"list": {}, "listStatus": {Statuses: status}, "listType": {Types: kinds},
		"listStatusType": {Statuses: status, Types: kinds}, "listProject": {Project: id},
		"listProjectStatus": {Project: id, Statuses: status}, "listProjectType": {Project: id, Types: kinds},
		"listProjectStatusType": {Project: id, Statuses: status, Types: kinds}, "listContent": {Content: id},
		"listParent": {Parent: id}, "listParentStatus": {Parent: id, Statuses: status},
	} {
		all[name] = listSQL(f, 51)
	}
	return all
}

// statements are all of this package, by the names of their constants; one test prepares each on the migrated schema.
var statements = map[string]string{
	"claimSQL":            claimSQL,
	"segmentsSQL":         segmentsSQL,
	"oneSegmentSQL":       oneSegmentSQL,
	"inputsSQL":           inputsSQL,
	"lockOwnSQL":          lockOwnSQL,
	"cancelQueuedSQL":     cancelQueuedSQL,
	"requestCancelSQL":    requestCancelSQL,
	"notifyCancelSQL":     notifyCancelSQL,
	"deleteSQL":           deleteSQL,
	"lockDependentsSQL":   lockDependentsSQL,
	"releaseSQL":          releaseSQL,
	"failQueuedSQL":       failQueuedSQL,
	"voicesOfSQL":         voicesOfSQL,
	"reviveSQL":           reviveSQL,
	"lockDepsOfSQL":       lockDepsOfSQL,
	"dependencyFailedSQL": dependencyFailedSQL,
	"parentSQL":           parentSQL,
	"readVoicesSQL":       readVoicesSQL,
	"lockDepsSQL":         lockDepsSQL,
	"runsSQL":             runsSQL,
	"phasesSQL":           phasesSQL,
	"recordPhaseSQL":      recordPhaseSQL,
	"recordPeakSQL":       recordPeakSQL,
	"peaksSQL":            peaksSQL,
	"finishSQL":           finishSQL,
	"readyVoiceSQL":       readyVoiceSQL,
	"historySQL":          historySQL,
	"dropProgressSQL":     dropProgressSQL,
	"endSQL":              endSQL,
	"requeueSQL":          requeueSQL,
	"lockRunSQL":          lockRunSQL,
	"endedBySQL":          endedBySQL,
	"nowSQL":              nowSQL,
	"notFlushedSQL":       notFlushedSQL,
	"beginKeySQL":         beginKeySQL,
	"readKeySQL":          readKeySQL,
	"endKeySQL":           endKeySQL,
	"abandonKeySQL":       abandonKeySQL,
	"lockNodeSQL":         lockNodeSQL,
	"registerNodeSQL":     registerNodeSQL,
	"beatSQL":             beatSQL,
	"aloneSQL":            aloneSQL,
	"leaveSQL":            leaveSQL,
	"ownEarlierSQL":       ownEarlierSQL,
	"ownRunsSQL":          ownRunsSQL,
	"orphansSQL":          orphansSQL,
	"takeBackSQL":         takeBackSQL,
	"newSegmentsSQL":      newSegmentsSQL,
	"anythingDeadSQL":     anythingDeadSQL,
	"forecastSQL":         forecastSQL,
	"waitingSQL":          waitingSQL,
	"headsSQL":            headsSQL,
	"setReasonSQL":        setReasonSQL,
	"refreshShortageSQL":  refreshShortageSQL,
	"shortJobsSQL":        shortJobsSQL,
	"queueStateSQL":       queueStateSQL,
	"setPausedSQL":        setPausedSQL,
	"countAllSQL":         countAllSQL,
	"countOwnSQL":         countOwnSQL,
	"readySQL":            readySQL,
	"nextSQL":             nextSQL,
	"getSQL":              getSQL,
	"activeSQL":           activeSQL,
	"lastSeqSQL":          lastSeqSQL,
	"segmentBlobSQL":      segmentBlobSQL,
	"segmentSQL":          segmentSQL,
	"progressSQL":         progressSQL,
	"cancelRequestedSQL":  cancelRequestedSQL,
	"insertJobSQL":        insertJobSQL,
	"insertVoiceSQL":      insertVoiceSQL,
	"insertDepSQL":        insertDepSQL,
	"countOpenSQL":        countOpenSQL,
	"sweepEventsSQL":      sweepEventsSQL,
	"sweepKeysSQL":        sweepKeysSQL,
	"sweepHistorySQL":     sweepHistorySQL,
	"sweepNodesSQL":       sweepNodesSQL,
	"sweepProgressSQL":    sweepProgressSQL,
	"sweepSegmentsSQL":    sweepSegmentsSQL,
	"setPrioritySQL":      setPrioritySQL,
	"setInputSQL":         setInputSQL,
	"dropInputSQL":        dropInputSQL,
	"dropSegmentsSQL":     dropSegmentsSQL,
	"lockOrderSQL":        lockOrderSQL,
	"laneOrderSQL":        laneOrderSQL,
	"renumberSQL":         renumberSQL,
	"upstreamSQL":         upstreamSQL,
	"lockGraphSQL":        lockGraphSQL,
}
