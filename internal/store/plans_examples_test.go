package store_test

import (
	"fmt"
	"strings"
)

// example holds the arguments of some calls of a statement, as SQL. reads is the number of rows it may read beyond
// those that it returns, for counts and other sums.
type example struct {
	args  []string
	reads float64
}

func calls(args ...string) example { return example{args: args} }

// wholeTables are the tables that an hourly sweep may read from end to end: the tasks of models, a few rows for each
// model, and the voices, when a file is about to go.
var wholeTables = map[string]string{"tasks.sweep": "model_tasks", "blob.sweepRows": "voices",
	"jobs.sweepSegments": "job_segments"}

// The ids of storetest.FillHistory.
func job(n int) string {
	return fmt.Sprintf("'%012x70008000%012x'", 1700000000000+n*1000, n)
}

func asset(n int) string {
	return fmt.Sprintf("'%012x70009000%012x'", 1700000000000+n*1000, n)
}

func owner(n int) string { return fmt.Sprintf("'00000000-0000-7000-8000-%012x'", n) }

const (
	queued     = 1000300 // of the owner that has most
	processing = 1000005
	finished   = 199991
	fresh      = "'01ffffff-0000-7000-8000-000000000001'" // a new id
	firstPage  = "'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff'"
	laterPage  = "now() - interval '100 days', 'ffffffff-ffff-ffff-ffff-ffffffffffff'"
)

// the owner with most, one with little, one with nothing; each from the first page and from one far behind.
func pages(rest ...string) (args []string) {
	tail := ""
	if len(rest) > 0 {
		tail = ", " + strings.Join(rest, ", ")
	}
	for _, n := range []int{1, 2, 60} {
		args = append(args, owner(n)+", "+firstPage+tail, owner(n)+", "+laterPage+tail)
	}
	return args
}

// examples are all statements on the way of a submit, claim, finish, cancel, list, event, forecast and their like, and
// the deletes.
var examples = map[string]example{
	"jobs.claim":            calls(job(queued) + ", 'cpu', " + owner(1) + ", " + owner(1)),
	"jobs.segments":         calls(job(processing), job(queued)),
	"jobs.oneSegment":       calls(job(processing) + ", 0"),
	"jobs.inputs":           calls(job(queued), job(finished)),
	"jobs.lockOwn":          calls(job(queued)+", "+owner(1), job(queued)+", "+owner(2)),
	"jobs.cancelQueued":     calls(job(queued)),
	"jobs.requestCancel":    calls(job(processing)),
	"jobs.delete":           calls(job(finished)),
	"jobs.lockDependents":   calls(job(queued)+", 'queued'", job(1000001)+", 'queued'"),
	"jobs.release":          calls("array[" + job(1000022) + "::uuid]"),
	"jobs.failQueued":       calls("array[" + job(1000022) + "::uuid], '{}'"),
	"jobs.voicesOf":         calls("array[" + job(1000022) + "::uuid], 'failed'"),
	"jobs.revive":           calls(job(11)),
	"jobs.lockDepsOf":       calls(job(1000022)),
	"jobs.dependencyFailed": calls(job(1000021)),
	"jobs.parent":           calls(job(finished) + ", " + owner(1)),
	"jobs.readVoices":       calls("array[" + job(7) + "::uuid, " + job(2) + "], " + owner(1)),
	"jobs.lockDeps":         calls("array[" + job(1000022) + "::uuid]"),
	"jobs.runs":             calls(owner(1), owner(9)),
	"jobs.finish":           calls(job(processing) + ", 1, '{}', '[]', '{}'"),
	"jobs.readyVoice":       calls(job(50) + ", 'x', '{}', 3, null, 'what was said'"),
	"jobs.history":          calls(owner(1) + ", 'audio.speech', 'e', 'm', 1, 1, 0, 0, 0"),
	"jobs.dropProgress":     calls(job(processing)),
	"jobs.end":              calls(job(processing) + ", 1, 'failed', '{}', 1"),
	"jobs.requeue":          calls(job(processing) + ", 1, null, null, 0"),
	"jobs.lockRun":          calls(job(processing) + ", 1"),
	"jobs.endedBy":          calls(job(finished) + ", 1, array['completed']"),
	"jobs.beginKey": calls("'s1', 'POST /x', 'new', '\\x00', 86400, "+owner(1)+", 15",
		"'s1', 'POST /x', 'k1', '\\x00', 86400, "+owner(1)+", 15"),
	"jobs.readKey":      calls("'s1', 'POST /x', 'k1'"),
	"jobs.endKey":       calls("'s1', 'POST /x', 'k1', 202, null, null"),
	"jobs.abandonKey":   calls("'s1', 'POST /x', 'k1'"),
	"jobs.ownEarlier":   calls(owner(1) + ", " + owner(2)),
	"jobs.orphans":      calls("15, -1"),
	"jobs.takeBack":     calls(job(processing) + ", 1, null, 0, 0"),
	"jobs.newSegments":  calls(job(processing) + ", 1"),
	"jobs.anythingDead": calls("15, -1"),
	"jobs.forecast":     {args: []string{""}, reads: 100},
	"jobs.ready":        calls(""),
	"jobs.next":         calls(""),
	"jobs.waiting":      calls("400"),
	"jobs.heads":        calls(""),
	"jobs.setReason": calls("array["+job(queued)+"::uuid], array['no_memory'], array['{}']",
		"array["+job(1000022)+"::uuid], array[null::text], array[null::text]"),
	"jobs.refreshShortage": calls("array[" + job(queued) + "::uuid], array['{}']"),
	"jobs.shortJobs":       calls(owner(1), owner(2)),
	"jobs.countAll":        {args: []string{""}, reads: 100020},
	"jobs.countOwn":        {args: []string{owner(1), owner(2), owner(60)}, reads: 100020},
	"jobs.countOpen":       {args: []string{owner(1) + ", 10000", owner(2) + ", 10000"}, reads: 10000},
	"jobs.get":             calls(job(finished)+", "+owner(1), job(processing)+", null"),
	"jobs.active":          calls(owner(1), owner(2), owner(60)),
	"jobs.segment":         calls(job(processing) + ", 1, 10, lpad('5', 64, '0'), 'video/mp4', 10, null"),
	"jobs.progress":        calls(job(processing) + ", 1, 0.5, '{}'"),
	"jobs.cancelRequested": calls(job(processing) + ", 1"),
	"jobs.insertDep":       calls(job(queued) + ", " + job(processing) + ", 'image'"),
	"jobs.insertJob": calls(
		fresh + ", " + owner(1) + ", " + job(3) + ", 'audio.speech', 'audio', null, 'draft', null, 'draft-speech', 0," +
			" '{}', '[]', null, null, 0, false, null, 1, null, 1, 0, 0, 0, array[" + job(1) + "::uuid, " + job(2) + "]",
	),
	"jobs.sweepEvents":   calls("604800"),
	"jobs.sweepKeys":     calls("86400"),
	"jobs.sweepHistory":  {args: []string{""}, reads: 28 * 300},
	"jobs.sweepProgress": calls(""),
	"jobs.setPriority":   calls(job(queued) + ", 1, 5"),
	"jobs.setInput":      calls(job(queued) + ", '{}', 0, 1, 0, 0, 0, '[]'"),
	"jobs.dropInput":     calls(job(1000022)),
	"jobs.dropSegments":  calls(job(processing)),
	"jobs.laneOrder":     calls("'audio', "+job(queued)+", 1", "'video', "+job(queued)+", 100"),
	"jobs.upstream":      calls("array[" + job(1000021) + "::uuid], " + job(1000022)),

	"jobs.list":                  calls(pages()...),
	"jobs.listStatus":            calls(pages()...),
	"jobs.listType":              calls(pages()...),
	"jobs.listStatusType":        calls(pages()...),
	"jobs.listProject":           calls(pages(job(4))...),
	"jobs.listProjectStatus":     calls(pages(job(4))...),
	"jobs.listProjectType":       calls(pages(job(4))...),
	"jobs.listProjectStatusType": calls(pages(job(4))...),
	"jobs.listContent":           calls(pages(job(1001))...),
	"jobs.listParent":            calls(pages(job(1001))...),
	"jobs.listParentStatus":      calls(pages(job(1001))...),

	"events.append": calls(
		"1, array[" + owner(1) + "::uuid], array[" + job(queued) + "::uuid], array['x'], array['{}']",
	),
	"events.appendOne":         calls(owner(1) + ", " + job(queued) + ", 'x', '{}'"),
	"events.allSince":          calls("399990, 500", "5, 500"),
	"events.bounds":            calls(""),
	"events.since":             calls("0", "399000"),
	"events.sinceSystem":       calls("0", "399000"),
	"events.sinceOwner":        calls("0, "+owner(1), "0, "+owner(2), "0, "+owner(60), "399999, "+owner(1)),
	"events.sinceOwnerSystem":  calls("0, "+owner(1), "0, "+owner(2), "0, "+owner(60)),
	"events.sinceJob":          calls("0, " + job(finished)),
	"events.sinceOwnJob":       calls("0, "+owner(1)+", "+job(finished), "0, "+owner(2)+", "+job(finished)),
	"events.sinceOwnJobSystem": calls("0, " + owner(1) + ", '00000000-0000-0000-0000-000000000000'"),

	"assets.get":               calls(asset(7) + ", " + owner(1)),
	"assets.byJobs":            calls("array[" + job(7) + "::uuid, " + job(8) + "]"),
	"assets.delete":            calls(asset(7)+", "+owner(1), asset(199999)+", "+owner(1)),
	"assets.list":              calls(pages()...),
	"assets.listKind":          calls(pages()...),
	"assets.listOrigin":        calls(pages()...),
	"assets.listBoth":          calls(pages()...),
	"assets.listProject":       calls(pages(job(4))...),
	"assets.listProjectKind":   calls(pages(job(4))...),
	"assets.listProjectOrigin": calls(pages(job(4))...),
	"assets.listJob":           calls(pages(job(7))...),
	"assets.listJobKind":       calls(pages(job(7))...),

	"voices.get":      calls(owner(1) + ", " + job(40)),
	"voices.lookup":   calls(job(40)),
	"voices.find":     calls(owner(1)+", null, 'voice 40'", owner(2)+", "+job(2)+", 'x'"),
	"voices.list":     calls(owner(1)+", '', '', ''", owner(2)+", '', '', ''"),
	"voices.retire":   calls("array[" + job(40) + "::uuid]"),
	"voices.defaults": calls(""),
	"voices.inUse":    calls(owner(1) + ", " + job(40)),
	"voices.lock":     calls(owner(1) + ", " + job(40)),
	"voices.delete":   calls(job(40)),

	"queue.ticket":       calls("null"),
	"queue.tickets":      calls("2, null"),
	"queue.takeTicket":   calls(""),
	"queue.topUp":        {args: []string{""}, reads: 2000},
	"queue.closeDead":    calls("15"),
	"queue.closeEarlier": calls(owner(1) + ", " + owner(2)),

	"blob.sweepRows": {
		args:  []string{"now(), '', 500", "now(), '" + strings.Repeat("0", 60) + "5000', 500"},
		reads: 1500 + 3000,
	},
	"blob.record":     calls("repeat('0', 64), 1, 'x'"),
	"blob.known":      calls("array[repeat('0', 64)]"),
	"blob.announce":   calls("'/blobs', '00000000-0000-7000-8000-000000000001'"),
	"blob.neighbours": calls("'k', '00000000-0000-7000-8000-000000000001'"),

	"tasks.latest": calls(owner(1)+", ''", owner(1)+", 'm3'"),

	"pronunciations.list":   calls(owner(1)+", null, ''", owner(1)+", "+owner(2)+", 'pt-BR'"),
	"pronunciations.usable": calls(owner(1)+", null", owner(1)+", "+owner(2)),
	"studio.list":           calls(owner(1)+", null, null, 51", owner(60)+", null, null, 51"),
}
