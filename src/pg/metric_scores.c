/*
 * Rows sorted into runs, in memory and in a temporary file: see metric_scores.h.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "pg/host.h"
#include "pg/metric_scores.h"
#include "pg/module.h"

/* Lists begin this small, since GROUP BY makes many. */
#define FIRST_ROWS 8

/* Beyond this many rows a list grows by less than double. */
#define LONG_LIST 8192

/* No state keeps fewer rows unsorted. */
#define LEAST_LIMIT 1024

/* So many runs are merged into one of each set; where there are many sets, so many of each. */
#define MAX_MEMORY_RUNS 512
#define MAX_FILE_RUNS 1024
#define MAX_SET_RUNS 8

/* What a reader of the file holds. */
#define READ_BYTES ((Size) 8192)

/* The flat form: this, totals, runs, the classes' names, and the runs' bytes; all but the last aligned. */
typedef struct FlatScores
{
	uint32		use;
	uint32		weighted;
	int32		setting;
	int32		nclasses;
	uint64		classes_size;
	uint64		rows;
	uint64		nruns;
} FlatScores;

typedef struct FlatRun
{
	uint64		set;
	uint64		entries;
	uint64		size;
} FlatRun;

/* ---- making ---- */

/* What a state may keep in memory. */
static Size
memory_budget(void)
{
	Size		budget = (Size) work_mem * 1024;

	if (mlaas_max_memory > 0)
		budget = Min(budget, (Size) mlaas_max_memory * 1024);
	return budget;
}

/* Make the sets of a new state. */
static void
make_sets(Scores *scores, int sets)
{
	scores->sets = sets;
	scores->totals = MemoryContextAllocZero(scores->memory, sizeof(MlSum) * sets);
	scores->tails = MemoryContextAllocZero(scores->memory, sizeof(RowList) * sets);
}

static Scores *
scores_create(ScoresUse use, bool weighted, int32 setting, MemoryContext memory)
{
	Scores	   *scores = MemoryContextAllocZero(memory, sizeof(Scores));

	scores->memory = memory;
	scores->use = use;
	scores->weighted = weighted;
	scores->setting = setting;
	scores->words = weighted ? ML_WORDS_WEIGHTED : ML_WORDS_KEY;
	scores->limit = Max(memory_budget() / 4 / (scores->words * sizeof(uint64)), LEAST_LIMIT);
	scores->merge_at = memory_budget() / 2;
	if (use != SCORES_CLASSES)
		make_sets(scores, use == SCORES_BINARY ? 2 : 1);
	return scores;
}

void
scores_set_classes(Scores *scores, const char *classes, Size size, int nclasses)
{
	scores->classes = MemoryContextAlloc(scores->memory, size + 1);
	memcpy(scores->classes, classes, size);
	scores->classes_size = size;
	scores->nclasses = nclasses;
	make_sets(scores, nclasses * (nclasses + 1));
}

ExpandedState *
scores_state(FunctionCallInfo fcinfo, ScoresUse use, bool weighted, int32 setting)
{
	ExpandedState *expanded = state_of_row(fcinfo, &scores_state_kind);
	MemoryContext memory;
	Scores	   *scores;
	int			context;

	if (likely(expanded != NULL))
	{
		scores = expanded->state;
		if (likely(scores->use == use && scores->weighted == weighted && scores->setting == setting &&
				   scores->may_spill))
			return expanded;
	}
	context = AggCheckCallContext(fcinfo, &memory);
	if (context == 0)
		memory = state_aggregate_memory(fcinfo);
	if (PG_ARGISNULL(0))
	{
		expanded = state_create(&scores_state_kind, memory);
		expanded->state = scores_create(use, weighted, setting, expanded->hdr.eoh_context);
	}
	else
		expanded = state_get(PG_GETARG_DATUM(0), &scores_state_kind, memory);
	scores = expanded->state;
	scores->may_spill = context == AGG_CONTEXT_AGGREGATE;
	if (unlikely(scores->use != use || scores->weighted != weighted))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate states of different metrics cannot be combined")));
	if (unlikely(scores->setting != setting))
		refuse_setting("a setting of a metric", false);
	return expanded;
}

void
scores_grow(Scores *scores, RowList *list)
{
	Size		step = list->capacity < LONG_LIST ? list->capacity : list->capacity / 2;
	Size		capacity = Max(Min(list->capacity + step, scores->limit), FIRST_ROWS);
	Size		bytes;

	capacity = Max(capacity, list->n + 1);
	bytes = capacity * scores->words * sizeof(uint64);
	if (list->rows == NULL)
		list->rows = MemoryContextAllocHuge(scores->memory, bytes);
	else
		list->rows = repalloc_huge(list->rows, bytes);
	list->capacity = capacity;
}

/* ---- runs ---- */

/* Room for one more run, which is counted. */
static RunPlace *
add_run(Scores *scores)
{
	if (scores->nruns == scores->run_slots)
	{
		int			slots = Max(2 * scores->run_slots, 8);

		if (scores->runs == NULL)
			scores->runs = MemoryContextAlloc(scores->memory, sizeof(RunPlace) * slots);
		else
			scores->runs = repalloc_huge(scores->runs, sizeof(RunPlace) * slots);
		scores->run_slots = slots;
	}
	return &scores->runs[scores->nruns++];
}

/* Add a run in memory, whose bytes are ours. */
static void
add_memory_run(Scores *scores, int set, uint64 entries, uint8 *bytes, Size size)
{
	*add_run(scores) = (RunPlace) {.set = set,.entries = entries,.size = size,.bytes = bytes};
	scores->run_bytes += size;
	scores->run_entries += entries;
	scores->memory_runs++;
}

/* Sort a set's rows in place. */
static void
sort_tail(MlContext *ctx, Scores *scores, RowList *list)
{
	uint64	   *buffer = NULL;

	if (list->n > ML_SORT_UNBUFFERED)
		buffer = ml_alloc_array(ctx, list->n, scores->words * sizeof(uint64));
	ml_sort_rows(ctx, list->rows, buffer, list->n, scores->words);
	ml_free(ctx, buffer);
}

/* Make runs of all rows that are not sorted yet. */
static void
pack_tails(Scores *scores)
{
	MlContext  *ctx;

	if (scores->held == 0)
		return;
	ctx = host_context_create(CurrentMemoryContext, "ml_scores", false);
	for (int set = 0; set < scores->sets; set++)
	{
		RowList    *list = &scores->tails[set];
		uint64		entries;
		uint8	   *bytes;
		Size		size;

		if (list->n == 0)
			continue;
		sort_tail(ctx, scores, list);
		bytes = MemoryContextAllocHuge(scores->memory, ml_run_bound(list->n, scores->words));
		size = ml_run_pack(list->rows, list->n, scores->words, bytes, &entries);
		add_memory_run(scores, set, entries, repalloc_huge(bytes, size), size);
		list->n = 0;
		if (scores->sets > 2)
		{
			/* of many sets each would grow to its own greatest size */
			pfree(list->rows);
			*list = (RowList) {0};
		}
	}
	scores->run_rows += scores->held;
	scores->held = 0;
	host_context_delete(ctx);
}

/* ---- reading ---- */

/* A run in the file, being read. */
typedef struct FileSource
{
	BufFile    *file;
	int			fileno;
	off_t		offset;
	Size		remaining;
	uint8	   *buffer;
	Size		capacity;
} FileSource;

static void
refill_from_file(MlRunReader *reader)
{
	FileSource *source = reader->source;
	Size		kept = reader->end - reader->at;
	Size		wanted = Min(source->capacity - kept, source->remaining);

	memmove(source->buffer, reader->at, kept);
	if (wanted > 0)
	{
		if (BufFileSeek(source->file, source->fileno, source->offset, SEEK_SET) != 0 ||
			BufFileRead(source->file, source->buffer + kept, wanted) != wanted)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read from a temporary file of a metric: %m")));
		BufFileTell(source->file, &source->fileno, &source->offset);
		source->remaining -= wanted;
	}
	reader->at = source->buffer;
	reader->end = source->buffer + kept + wanted;
}

/* Begin to read a run; buffer: READ_BYTES for one that is in the file. */
static void
begin_reader(Scores *scores, const RunPlace *run, int set, MlRunReader *reader, FileSource *source, uint8 *buffer)
{
	*reader = (MlRunReader) {.set = set,.weighted = scores->weighted,.left = run->entries};
	if (run->bytes != NULL)
	{
		reader->at = run->bytes;
		reader->end = run->bytes + run->size;
		return;
	}
	*source = (FileSource) {scores->file, run->fileno, run->offset, run->size, buffer, READ_BYTES};
	reader->at = buffer;
	reader->end = buffer;
	reader->refill = refill_from_file;
	reader->source = source;
}

/* Which runs are merged. */
typedef enum RunFilter
{
	RUNS_IN_MEMORY = 1,
	RUNS_IN_FILE = 2,
	RUNS_ALL = 3
} RunFilter;

static inline bool
run_passes(const RunPlace *run, RunFilter filter)
{
	return (filter & (run->bytes != NULL ? RUNS_IN_MEMORY : RUNS_IN_FILE)) != 0;
}

/* Go through some of the runs, and the tails, of the sets from first on. */
static void
begin_ties(MlContext *ctx, Scores *scores, int first, int count, int from, int to, RunFilter filter, bool tails,
		   MlTies *ties)
{
	Size		most = (Size) (to - from) + count;
	MlRunReader *readers = ml_alloc_array(ctx, most, sizeof(MlRunReader));
	FileSource *sources = ml_alloc_array(ctx, most, sizeof(FileSource));
	Size		n = 0;

	for (int i = from; i < to; i++)
	{
		const RunPlace *run = &scores->runs[i];
		int			set = run->set - first;

		if (set < 0 || set >= count || !run_passes(run, filter))
			continue;
		begin_reader(scores, run, set, &readers[n], &sources[n], run->bytes == NULL ? ml_alloc(ctx, READ_BYTES) : NULL);
		n++;
	}
	for (int set = 0; tails && set < count; set++)
	{
		RowList    *list = &scores->tails[first + set];

		if (list->n == 0)
			continue;
		sort_tail(ctx, scores, list);
		readers[n++] = (MlRunReader) {.set = set,.left = list->n,.rows = list->rows,.words = scores->words};
	}
	ml_ties_begin(ctx, ties, readers, n, count);
}

void
scores_ties(MlContext *ctx, Scores *scores, int first, int count, MlTies *ties)
{
	begin_ties(ctx, scores, first, count, 0, scores->nruns, RUNS_ALL, true, ties);
}

double *
scores_totals(Scores *scores)
{
	double	   *totals = palloc(sizeof(double) * scores->sets);

	for (int set = 0; set < scores->sets; set++)
	{
		totals[set] = ml_sum_value(&scores->totals[set]);
		if (!isfinite(totals[set]))
			float_overflow_error();
	}
	return totals;
}

/* ---- merging and spilling ---- */

/* Forget the runs that pass a filter; those in memory give it back. */
static void
drop_runs(Scores *scores, RunFilter filter, int before)
{
	int			kept = 0;

	for (int i = 0; i < scores->nruns; i++)
	{
		RunPlace   *run = &scores->runs[i];

		if (i >= before || !run_passes(run, filter))
		{
			scores->runs[kept++] = *run;
			continue;
		}
		if (run->bytes != NULL)
		{
			scores->run_bytes -= run->size;
			scores->run_entries -= run->entries;
			scores->memory_runs--;
			pfree(run->bytes);
		}
	}
	scores->nruns = kept;
}

static int
by_set(const void *a, const void *b)
{
	return ((const RunPlace *) a)->set - ((const RunPlace *) b)->set;
}

/* Bring the runs of each set together; their order has no meaning. */
static void
group_runs(Scores *scores)
{
	if (scores->nruns > 1)
		qsort(scores->runs, scores->nruns, sizeof(RunPlace), by_set);
}

/* Where the runs of the set of a run end, of so many. */
static int
group_end(const Scores *scores, int from, int count)
{
	int			to = from;

	while (to < count && scores->runs[to].set == scores->runs[from].set)
		to++;
	return to;
}

/* Where merged entries go: bytes in memory that grow. */
typedef struct MergeBuffer
{
	uint8	   *bytes;
	Size		size;
	Size		capacity;
} MergeBuffer;

/* Merge the runs in memory to one of each set. */
static void
merge_in_memory(Scores *scores)
{
	int			before = scores->nruns;
	int			to;

	group_runs(scores);
	for (int from = 0; from < before; from = to)
	{
		MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_scores", false);
		MergeBuffer out = {NULL, 0, 1024};
		int			set = scores->runs[from].set;
		uint64		entries = 0;
		uint64		last = 0;
		MlTies		ties;

		to = group_end(scores, from, before);
		begin_ties(ctx, scores, set, 1, from, to, RUNS_IN_MEMORY, false, &ties);
		out.bytes = MemoryContextAllocHuge(scores->memory, out.capacity);
		while (ml_ties_next(&ties))
		{
			if (out.capacity - out.size < ML_RUN_ENTRY)
			{
				out.capacity += out.capacity / 2;
				out.bytes = repalloc_huge(out.bytes, out.capacity);
			}
			out.size = ml_run_put(out.bytes + out.size, last, ties.key, ties.weight[0], scores->weighted) - out.bytes;
			last = ties.key;
			entries++;
		}
		host_context_delete(ctx);

		/* those merged stay in the list until all sets are done */
		if (entries > 0)
			add_memory_run(scores, set, entries, repalloc_huge(out.bytes, out.size), out.size);
		else
			pfree(out.bytes);
	}
	drop_runs(scores, RUNS_IN_MEMORY, before);
}

/* Close the file when the aggregate's memory goes. */
static void
close_file(Datum arg)
{
	Scores	   *scores = (Scores *) DatumGetPointer(arg);

	if (scores->file != NULL)
		BufFileClose(scores->file);
	scores->file = NULL;
}

/* A new temporary file, which lives as long as the state. */
static BufFile *
create_file(FunctionCallInfo fcinfo, Scores *scores)
{
	MemoryContext old = MemoryContextSwitchTo(scores->memory);
	BufFile    *file;

	if (!scores->closes)
		AggRegisterCallback(fcinfo, close_file, PointerGetDatum(scores));
	scores->closes = true;
	file = BufFileCreateTemp(false);
	MemoryContextSwitchTo(old);
	return file;
}

/* Write the runs in memory to the file. */
static void
spill(FunctionCallInfo fcinfo, Scores *scores)
{
	if (scores->file == NULL)
	{
		scores->file = create_file(fcinfo, scores);
		scores->end_fileno = 0;
		scores->end_offset = 0;
	}
	if (BufFileSeek(scores->file, scores->end_fileno, scores->end_offset, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in a temporary file of a metric: %m")));
	for (int i = 0; i < scores->nruns; i++)
	{
		RunPlace   *run = &scores->runs[i];

		if (run->bytes == NULL)
			continue;
		BufFileTell(scores->file, &run->fileno, &run->offset);
		BufFileWrite(scores->file, run->bytes, run->size);
		pfree(run->bytes);
		run->bytes = NULL;
	}
	BufFileTell(scores->file, &scores->end_fileno, &scores->end_offset);
	scores->run_bytes = 0;
	scores->run_entries = 0;
	scores->run_rows = 0;
	scores->memory_runs = 0;
}

/* Merge the runs of the file to one of each set, in a new file. */
static void
merge_files(FunctionCallInfo fcinfo, Scores *scores)
{
	BufFile    *old = scores->file;
	BufFile    *merged = create_file(fcinfo, scores);
	int			before = scores->nruns;
	int			to;
	uint8		entry[ML_RUN_ENTRY];

	group_runs(scores);
	for (int from = 0; from < before; from = to)
	{
		MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_scores", false);
		RunPlace	run = {.set = scores->runs[from].set};
		uint64		last = 0;
		MlTies		ties;

		BufFileTell(merged, &run.fileno, &run.offset);
		to = group_end(scores, from, before);
		begin_ties(ctx, scores, run.set, 1, from, to, RUNS_IN_FILE, false, &ties);
		while (ml_ties_next(&ties))
		{
			Size		size = ml_run_put(entry, last, ties.key, ties.weight[0], scores->weighted) - entry;

			BufFileWrite(merged, entry, size);
			run.size += size;
			last = ties.key;
			run.entries++;
		}
		host_context_delete(ctx);
		if (run.entries > 0)
			*add_run(scores) = run;
	}
	BufFileTell(merged, &scores->end_fileno, &scores->end_offset);
	drop_runs(scores, RUNS_IN_FILE, before);
	scores->file = merged;
	BufFileClose(old);
}

/* Do something about runs that have outgrown their room. */
static void
settle_runs(FunctionCallInfo fcinfo, Scores *scores)
{
	bool		many = scores->memory_runs > MAX_MEMORY_RUNS + MAX_SET_RUNS * scores->sets;

	if (scores->run_bytes <= scores->merge_at && !many)
		return;

	/* where most rows share their number with others, merging makes runs short */
	if (scores->run_entries <= scores->run_rows / 2 || many)
	{
		merge_in_memory(scores);
		if (scores->run_bytes <= memory_budget() / 4)
			return;
	}
	if (scores->may_spill)
	{
		spill(fcinfo, scores);
		if (scores->nruns > MAX_FILE_RUNS + MAX_SET_RUNS * scores->sets)
			merge_files(fcinfo, scores);
		return;
	}
	scores->merge_at = Max(scores->merge_at, 2 * scores->run_bytes);
	check_state_memory(scores->run_bytes, scores->rows);
}

void
scores_settle(FunctionCallInfo fcinfo, Scores *scores)
{
	pack_tails(scores);
	settle_runs(fcinfo, scores);
}

/* ---- flat form ---- */

/* The bytes of the flat form before those of runs. */
static Size
flat_head_size(const Scores *scores)
{
	return sizeof(FlatScores) + scores->sets * sizeof(MlSum) + scores->nruns * sizeof(FlatRun) +
		MAXALIGN(scores->classes_size);
}

static Size
scores_flat_size(void *state)
{
	Scores	   *scores = state;
	Size		size;

	pack_tails(scores);
	size = flat_head_size(scores);
	for (int i = 0; i < scores->nruns; i++)
		size += scores->runs[i].size;
	return size;
}

/* Write the bytes of a run. */
static void
flatten_run(Scores *scores, const RunPlace *run, char *bytes)
{
	if (run->bytes != NULL)
	{
		memcpy(bytes, run->bytes, run->size);
		return;
	}
	if (BufFileSeek(scores->file, run->fileno, run->offset, SEEK_SET) != 0 ||
		BufFileRead(scores->file, bytes, run->size) != run->size)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from a temporary file of a metric: %m")));
}

static void
scores_flatten(void *state, char *bytes, Size size)
{
	Scores	   *scores = state;
	FlatScores *head = (FlatScores *) bytes;
	MlSum	   *totals = (MlSum *) (bytes + sizeof(FlatScores));
	FlatRun    *runs = (FlatRun *) (totals + scores->sets);
	char	   *at = bytes + flat_head_size(scores);

	memset(bytes, 0, at - bytes);
	*head = (FlatScores) {scores->use, scores->weighted, scores->setting, scores->nclasses, scores->classes_size,
	scores->rows, scores->nruns};
	memcpy(totals, scores->totals, scores->sets * sizeof(MlSum));
	if (scores->classes_size > 0)
		memcpy(runs + scores->nruns, scores->classes, scores->classes_size);
	for (int i = 0; i < scores->nruns; i++)
	{
		runs[i] = (FlatRun) {scores->runs[i].set, scores->runs[i].entries, scores->runs[i].size};
		flatten_run(scores, &scores->runs[i], at);
		at += scores->runs[i].size;
	}
	Assert(at == bytes + size);
	(void) size;
}

/* Check the names of classes: strings, each behind its length. */
static void
check_classes(const char *classes, Size size, int nclasses)
{
	Size		used = 0;

	for (int i = 0; i < nclasses; i++)
	{
		uint32		length;

		check_flat(size - used >= sizeof length, "name of a class");
		memcpy(&length, classes + used, sizeof length);
		used += sizeof length;
		check_flat(length <= size - used, "name of a class");
		check_flat(pg_verify_mbstr(GetDatabaseEncoding(), classes + used, (int) length, true), "name of a class");
		used += length;
	}
	check_flat(used == size, "size");
}

/* Whether a total is that of the rows and weights that were read. */
static bool
total_fits(const MlSum *total, bool weighted, double rows, double weight)
{
	double		value = ml_sum_value(total);

	if (!weighted)
		return total->rest == 0.0 && total->sum == rows;
	return rows == 0.0 ? value == 0.0 : fabs(value - weight) <= 1e-6 * weight;
}

/* Read runs and totals, all of them checked. */
static void
read_flat_runs(Scores *scores, const FlatScores *head, const MlSum *totals, const FlatRun *runs, const char *at,
			   const char *end)
{
	double	   *rows = palloc0(sizeof(double) * 2 * scores->sets);
	double	   *weights = rows + scores->sets;

	for (uint64 i = 0; i < head->nruns; i++)
	{
		uint8	   *bytes;
		int			set = (int) runs[i].set;

		check_flat(runs[i].set < (uint64) scores->sets, "set of scores");
		check_flat(runs[i].size <= (Size) (end - at), "size");
		check_flat(runs[i].entries > 0 &&
				   ml_run_check((const uint8 *) at, runs[i].size, runs[i].entries, scores->weighted,
								scores->use != SCORES_ERRORS, &rows[set], &weights[set]), "score");
		bytes = MemoryContextAllocHuge(scores->memory, runs[i].size);
		memcpy(bytes, at, runs[i].size);
		add_memory_run(scores, set, runs[i].entries, bytes, runs[i].size);
		at += runs[i].size;
	}
	check_flat(at == end, "size");
	for (int set = 0; set < scores->sets; set++)
	{
		check_flat(total_fits(&totals[set], scores->weighted, rows[set], weights[set]), "number of scores");
		scores->totals[set] = totals[set];
	}
	pfree(rows);
}

static void *
scores_unflatten(const char *bytes, Size size, MemoryContext memory)
{
	const FlatScores *head = (const FlatScores *) bytes;
	const MlSum *totals = (const MlSum *) (head + 1);
	const FlatRun *runs;
	Size		left = size - sizeof(FlatScores);
	Scores	   *scores;

	check_flat(size >= sizeof(FlatScores), "size");
	check_flat(head->use >= SCORES_BINARY && head->use <= SCORES_CLASSES, "use");
	check_flat(head->weighted <= 1, "mark of weights");
	check_flat(head->use == SCORES_CLASSES ? head->nclasses > 0 && head->nclasses <= SCORES_MAX_CLASSES :
			   head->nclasses == 0 && head->classes_size == 0, "number of classes");
	check_flat(head->setting >= 0 && head->setting <= SCORES_MAX_SETTING, "setting");
	check_flat(head->rows <= PG_INT64_MAX, "number of rows");
	check_flat(head->nruns <= left / sizeof(FlatRun) && head->classes_size <= left, "size");
	scores = scores_create((ScoresUse) head->use, head->weighted == 1, head->setting, memory);
	if (head->use == SCORES_CLASSES)
		make_sets(scores, head->nclasses * (head->nclasses + 1));
	scores->nruns = (int) head->nruns;
	scores->classes_size = head->classes_size;
	check_flat(flat_head_size(scores) <= size, "size");
	scores->nruns = 0;
	scores->classes_size = 0;

	runs = (const FlatRun *) (totals + scores->sets);
	if (head->use == SCORES_CLASSES)
	{
		check_classes((const char *) (runs + head->nruns), head->classes_size, head->nclasses);
		scores_set_classes(scores, (const char *) (runs + head->nruns), head->classes_size, head->nclasses);
	}
	read_flat_runs(scores, head, totals, runs,
				   (const char *) (runs + head->nruns) + MAXALIGN(head->classes_size), bytes + size);
	scores->rows = head->rows;
	scores->run_rows = head->rows;
	return scores;
}

const StateKind scores_state_kind = {
	.id = STATE_SCORES,
	.name = "scores",
	.flat_size = scores_flat_size,
	.flatten = scores_flatten,
	.unflatten = scores_unflatten,
};

PG_FUNCTION_INFO_V1(ml_scores_combine);

/* Take the runs of the second state into the first; either may be NULL, which is a state without rows. */
Datum
ml_scores_combine(PG_FUNCTION_ARGS)
{
	Scores	   *from;
	ExpandedState *expanded;
	Scores	   *into;

	(void) state_aggregate_memory(fcinfo);
	if (PG_ARGISNULL(1))
		return skip_row(fcinfo);
	from = state_get(PG_GETARG_DATUM(1), &scores_state_kind, CurrentMemoryContext)->state;
	expanded = scores_state(fcinfo, from->use, from->weighted, from->setting);
	into = expanded->state;
	if (into->use == SCORES_CLASSES && into->nclasses == 0)
		scores_set_classes(into, from->classes, from->classes_size, from->nclasses);
	if (into->classes_size != from->classes_size || into->nclasses != from->nclasses ||
		(into->classes_size > 0 && memcmp(into->classes, from->classes, into->classes_size) != 0))
		refuse_setting("the list of classes", false);
	check_row_count(into->rows, from->rows);
	into->rows += from->rows;
	into->run_rows += from->rows;
	for (int set = 0; set < into->sets; set++)
		ml_sum_merge(&into->totals[set], &from->totals[set]);
	pack_tails(from);
	for (int i = 0; i < from->nruns; i++)
	{
		const RunPlace *run = &from->runs[i];
		uint8	   *bytes = MemoryContextAllocHuge(into->memory, run->size);

		flatten_run(from, run, (char *) bytes);
		add_memory_run(into, run->set, run->entries, bytes, run->size);
		settle_runs(fcinfo, into);
	}
	return state_datum(expanded);
}
