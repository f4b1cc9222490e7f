/*
 * Metrics of the order of one query's rows: dcg, ndcg, reciprocal_rank, precision_at_k, recall_at_k.  GROUP BY makes a
 * query's rows a group; the mean over queries is avg() of the groups' values.
 *
 * A state keeps the rows of its query, up to mlaas.max_memory.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "pg/metrics.h"
#include "score/ranking.h"

#define FIRST_ROWS 8

/* More places than this no reader looks at. */
#define MAX_PLACES 1000000000

typedef struct Ranking
{
	MemoryContext memory;
	int32		k;				/* 0 = all places */
	Size		n;
	Size		capacity;
	MlRanked   *rows;			/* in any order */
} Ranking;

/* The flat form: this, then rows. */
typedef struct FlatRanking
{
	int32		k;
	uint32		unused;			/* 0 */
	uint64		n;
} FlatRanking;

static Size
ranking_flat_size(void *state)
{
	return sizeof(FlatRanking) + ((Ranking *) state)->n * sizeof(MlRanked);
}

static void
ranking_flatten(void *state, char *bytes, Size size)
{
	Ranking    *ranking = state;

	*(FlatRanking *) bytes = (FlatRanking) {ranking->k, 0, ranking->n};
	memcpy(bytes + sizeof(FlatRanking), ranking->rows, size - sizeof(FlatRanking));
}

static Ranking *
ranking_create(int32 k, Size rows, MemoryContext memory)
{
	Ranking    *ranking = MemoryContextAllocZero(memory, sizeof(Ranking));

	ranking->memory = memory;
	ranking->k = k;
	ranking->capacity = Max(rows, FIRST_ROWS);
	ranking->rows = MemoryContextAllocHuge(memory, ranking->capacity * sizeof(MlRanked));
	return ranking;
}

static void *
ranking_unflatten(const char *bytes, Size size, MemoryContext memory)
{
	const FlatRanking *head = (const FlatRanking *) bytes;
	const MlRanked *rows = (const MlRanked *) (head + 1);
	Ranking    *ranking;

	check_flat(size >= sizeof(FlatRanking) && (size - sizeof(FlatRanking)) % sizeof(MlRanked) == 0, "size");
	check_flat(head->n == (size - sizeof(FlatRanking)) / sizeof(MlRanked), "number of rows");
	check_flat(head->k >= 0 && head->k <= MAX_PLACES && head->unused == 0, "number of places");
	for (uint64 i = 0; i < head->n; i++)
		check_flat(!isnan(rows[i].score) && isfinite(rows[i].gain) && rows[i].gain >= 0.0, "row");
	ranking = ranking_create(head->k, head->n, memory);
	memcpy(ranking->rows, rows, head->n * sizeof(MlRanked));
	ranking->n = head->n;
	return ranking;
}

const StateKind ranking_state_kind = {
	.id = STATE_RANKING,
	.name = "ranking",
	.flat_size = ranking_flat_size,
	.flatten = ranking_flatten,
	.unflatten = ranking_unflatten,
};

/* The state of a transition function, made at the first row. */
static ExpandedState *
ranking_state(FunctionCallInfo fcinfo, int32 k)
{
	MemoryContext memory = state_aggregate_memory(fcinfo);
	ExpandedState *expanded;

	if (PG_ARGISNULL(0))
	{
		expanded = state_create(&ranking_state_kind, memory);
		expanded->state = ranking_create(k, 0, expanded->hdr.eoh_context);
		return expanded;
	}
	expanded = state_get(PG_GETARG_DATUM(0), &ranking_state_kind, memory);
	if (((Ranking *) expanded->state)->k != k)
		refuse_setting("k", false);
	return expanded;
}

/* Make room for more rows. */
static void
reserve_rows(Ranking *ranking, Size more)
{
	if (ranking->capacity - ranking->n >= more)
		return;
	ranking->capacity = Max(2 * ranking->capacity, ranking->n + more);
	check_state_memory(ranking->capacity * sizeof(MlRanked), ranking->n);
	ranking->rows = repalloc_huge(ranking->rows, ranking->capacity * sizeof(MlRanked));
}

/* Keep one row. */
static pg_attribute_always_inline Datum
ranking_add(FunctionCallInfo fcinfo, bool graded, bool places)
{
	int32		k = places ? int4_setting(fcinfo, 3, "k", MAX_PLACES) : 0;
	double		gain;
	double		score;
	ExpandedState *expanded;
	Ranking    *ranking;

	if (!arguments_present(fcinfo, 2))
		return skip_row(fcinfo);
	gain = graded ? PG_GETARG_FLOAT8(1) : PG_GETARG_BOOL(1) ? 1.0 : 0.0;
	score = score_argument(fcinfo, 2);
	if (!(gain >= 0.0) || isinf(gain))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("relevance is negative or not finite"),
				 errdetail("The value is %s.", float8out_internal(gain))));
	expanded = ranking_state(fcinfo, k);
	ranking = expanded->state;
	reserve_rows(ranking, 1);
	ranking->rows[ranking->n++] = (MlRanked) {score, gain};
	return state_datum(expanded);
}

#define RANKING_TRANSITION(name, graded, places) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return ranking_add(fcinfo, graded, places); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

RANKING_TRANSITION(ml_ranking_float8, true, false);
RANKING_TRANSITION(ml_ranking_float8_k, true, true);
RANKING_TRANSITION(ml_ranking_boolean, false, false);
RANKING_TRANSITION(ml_ranking_boolean_k, false, true);

PG_FUNCTION_INFO_V1(ml_ranking_combine);

/* Append the rows of the second state to the first. */
Datum
ml_ranking_combine(PG_FUNCTION_ARGS)
{
	Ranking    *from = state_get(PG_GETARG_DATUM(1), &ranking_state_kind, CurrentMemoryContext)->state;
	ExpandedState *expanded = ranking_state(fcinfo, from->k);
	Ranking    *into = expanded->state;

	reserve_rows(into, from->n);
	memcpy(into->rows + into->n, from->rows, from->n * sizeof(MlRanked));
	into->n += from->n;
	return state_datum(expanded);
}

/* How many places a state looks at. */
static inline size_t
ranking_places(const Ranking *ranking)
{
	return ranking->k > 0 ? (size_t) ranking->k : SIZE_MAX;
}

#define RANKING_FINAL(name, function) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		Ranking    *ranking = final_state(fcinfo, &ranking_state_kind); \
		double		value = function(ranking->rows, ranking->n, ranking_places(ranking)); \
		if (isinf(value)) \
			float_overflow_error(); \
		return metric_datum(fcinfo, value); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

RANKING_FINAL(ml_dcg_final, ml_dcg);
RANKING_FINAL(ml_ndcg_final, ml_ndcg);
RANKING_FINAL(ml_precision_at_k_final, ml_precision_at_k);
RANKING_FINAL(ml_recall_at_k_final, ml_recall_at_k);

PG_FUNCTION_INFO_V1(ml_reciprocal_rank_final);

/* One over the place of the first relevant row. */
Datum
ml_reciprocal_rank_final(PG_FUNCTION_ARGS)
{
	Ranking    *ranking = final_state(fcinfo, &ranking_state_kind);

	PG_RETURN_FLOAT8(ml_reciprocal_rank(ranking->rows, ranking->n));
}
