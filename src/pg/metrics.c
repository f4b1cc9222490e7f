/*
 * Metrics as aggregates.  Three kinds of state serve them all:
 *
 *   classification  labels and how often each pair (actual, predicted) was seen: accuracy, balanced_accuracy,
 *                   precision, recall, f1, mcc, confusion_matrix
 *   scores          the scores of the positive and of the negative rows: roc_auc, average_precision
 *   regression      compensated sums: mae, mse, rmse, mape, r2, log_loss, brier
 *
 * One family of transition functions per kind, told apart by argument types; a final function per metric.
 * Final functions leave the meaning of a state as it is, so aggregates over the same arguments share one
 * state, and window frames may go on adding to it.  A row with a NULL argument is skipped; the state is
 * made by the first row that is not, so that no rows give NULL.
 *
 * All mathematics is in score/metrics.c.
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "base/hash.h"
#include "pg/compat.h"
#include "pg/host.h"
#include "pg/module.h"
#include "pg/state.h"
#include "score/metrics.h"

/* More labels than this are no classes: a number to predict, or an identifier. */
#define MAX_LABELS 10000

/* A matrix with more labels than this is of no use to a reader. */
#define MAX_MATRIX_LABELS 1000

/* Hash tables begin this small, since GROUP BY makes many; powers of two. */
#define FIRST_SLOTS 8
#define FIRST_SCORES 8

/* Beyond this many scores a list grows by less than double. */
#define LONG_SCORES 8192

/* ---- common to all ---- */

/* Whether a transition function's row has both of its values. */
static inline bool
row_counts(FunctionCallInfo fcinfo)
{
	return !PG_ARGISNULL(1) && !PG_ARGISNULL(2);
}

/* Return the state as it came from a transition function that skips a row. */
static Datum
skip_row(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return PG_GETARG_DATUM(0);
}

/* Fail when a state that holds so many bytes may not grow. */
static void
check_state_memory(Size bytes, uint64 rows)
{
	if (mlaas_max_memory <= 0 || bytes / 1024 <= (Size) mlaas_max_memory)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("memory limit of a metric exceeded"),
			 errdetail("After " UINT64_FORMAT " rows it needs %zu kB for this group; mlaas.max_memory is %d kB.",
					   rows, bytes / 1024 + 1, mlaas_max_memory),
			 errhint("Raise mlaas.max_memory, or compute the metric over a sample of the rows.")));
}

/* A finite number from an argument. */
static double
finite_argument(FunctionCallInfo fcinfo, int argument)
{
	double		value = PG_GETARG_FLOAT8(argument);

	if (!isfinite(value))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%s value is not finite", argument == 1 ? "actual" : "predicted"),
				 errdetail("The value is %s.", isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity"),
				 errhint("Leave such rows out, for example with FILTER (WHERE ...).")));
	return value;
}

/* Whether a number stands for the positive class: 1 does, 0 and -1 do not, others are errors. */
static bool
positive_argument(FunctionCallInfo fcinfo, int argument)
{
	double		value = PG_GETARG_FLOAT8(argument);

	if (value == 1.0)
		return true;
	if (value == 0.0 || value == -1.0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("actual value is not 0 or 1"),
			 errdetail("The value is %s.", float8out_internal(value)),
			 errhint("Give a boolean, such as (label = 'yes'); of numbers, 1 is positive, 0 and -1 are negative.")));
}

/* A metric as SQL returns it: NULL where it is not defined. */
static Datum
metric_datum(FunctionCallInfo fcinfo, double value)
{
	if (isnan(value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

/* ---- classification: state ---- */

/* Stored in flat states. */
typedef enum LabelType
{
	LABEL_INVALID = 0,
	LABEL_TEXT = 1,
	LABEL_BOOLEAN = 2,
	LABEL_BIGINT = 3,
	LABEL_FLOAT8 = 4
} LabelType;

/* A label: the bits of a number, or a string. */
typedef struct Label
{
	uint64		hash;
	uint64		bits;			/* 0 for text */
	const char *string;			/* text only, not terminated */
	uint32		length;			/* text only, else 0 */
} Label;

/* Rows of one actual and one predicted label. */
typedef struct Pair
{
	uint32		actual;			/* numbers of labels */
	uint32		predicted;
	uint64		rows;			/* 0 = a free slot */
} Pair;

typedef struct Classification
{
	MemoryContext memory;
	LabelType	type;
	uint64		rows;
	Size		bytes;			/* of tables and strings */

	uint32		nlabels;
	uint32		label_slots;	/* a power of two */
	Label	   *labels;			/* [label_slots / 2], in order of appearance */
	uint32	   *slots;			/* [label_slots]: label + 1, 0 = free */

	uint32		npairs;
	uint32		pair_slots;		/* a power of two, more than npairs */
	Pair	   *pairs;			/* [pair_slots], open addressing */
} Classification;

/* The flat form: this, then labels (8 bytes each, or lengths and strings), then pairs. */
typedef struct FlatClassification
{
	uint32		type;
	uint32		nlabels;
	uint64		npairs;
} FlatClassification;

/* Let a state hold so many bytes more. */
static void
classification_reserve(Classification *c, Size more)
{
	c->bytes += more;
	check_state_memory(c->bytes, c->rows);
}

static Classification *
classification_create(LabelType type, MemoryContext memory)
{
	Classification *c = MemoryContextAllocZero(memory, sizeof(Classification));

	c->memory = memory;
	c->type = type;
	c->label_slots = FIRST_SLOTS;
	c->labels = MemoryContextAlloc(memory, FIRST_SLOTS / 2 * sizeof(Label));
	c->slots = MemoryContextAllocZero(memory, FIRST_SLOTS * sizeof(uint32));
	c->pair_slots = FIRST_SLOTS;
	c->pairs = MemoryContextAllocZero(memory, FIRST_SLOTS * sizeof(Pair));
	return c;
}

/* Double the room for labels. */
static void
grow_labels(Classification *c)
{
	uint32		slots = c->label_slots * 2;

	classification_reserve(c, c->label_slots * (sizeof(Label) / 2 + sizeof(uint32)));
	c->labels = repalloc(c->labels, slots / 2 * sizeof(Label));
	pfree(c->slots);
	c->slots = MemoryContextAllocZero(c->memory, slots * sizeof(uint32));
	c->label_slots = slots;
	for (uint32 i = 0; i < c->nlabels; i++)
	{
		uint32		slot = c->labels[i].hash & (slots - 1);

		while (c->slots[slot] != 0)
			slot = (slot + 1) & (slots - 1);
		c->slots[slot] = i + 1;
	}
}

/* Fail on the label that is one too many. */
static void
raise_too_many_labels(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("too many distinct labels"),
			 errdetail("There are more than %d; they look like numbers to estimate or like identifiers.", MAX_LABELS),
			 errhint("For numbers use ml_mae, ml_rmse or ml_r2.")));
}

/* Whether two labels of one type are the same. */
static inline bool
same_label(const Label *a, const Label *b)
{
	return a->hash == b->hash && a->bits == b->bits && a->length == b->length &&
		(a->length == 0 || memcmp(a->string, b->string, a->length) == 0);
}

/* The number of a label, which is added when it is new. */
static uint32
label_number(Classification *c, const Label *label)
{
	uint32		slot = label->hash & (c->label_slots - 1);
	Label	   *added;

	for (; c->slots[slot] != 0; slot = (slot + 1) & (c->label_slots - 1))
		if (same_label(&c->labels[c->slots[slot] - 1], label))
			return c->slots[slot] - 1;

	if (c->nlabels == MAX_LABELS)
		raise_too_many_labels();
	if (c->nlabels == c->label_slots / 2)
	{
		grow_labels(c);
		return label_number(c, label);
	}
	added = &c->labels[c->nlabels];
	*added = *label;
	if (label->length > 0)
	{
		char	   *copy;

		classification_reserve(c, label->length);
		copy = MemoryContextAlloc(c->memory, label->length);
		memcpy(copy, label->string, label->length);
		added->string = copy;
	}
	c->slots[slot] = ++c->nlabels;
	return c->nlabels - 1;
}

/* The slot of a pair: its own, or the free one where it belongs. */
static inline Pair *
find_pair(Pair *pairs, uint32 slots, uint32 actual, uint32 predicted)
{
	uint32		slot = ml_mix64((uint64) actual << 32 | predicted) & (slots - 1);

	while (pairs[slot].rows != 0 && (pairs[slot].actual != actual || pairs[slot].predicted != predicted))
		slot = (slot + 1) & (slots - 1);
	return &pairs[slot];
}

/* Double the room for pairs. */
static void
grow_pairs(Classification *c)
{
	uint32		slots = c->pair_slots * 2;
	Pair	   *old = c->pairs;
	Pair	   *grown;

	classification_reserve(c, c->pair_slots * sizeof(Pair));
	grown = MemoryContextAllocExtended(c->memory, slots * sizeof(Pair), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < c->pair_slots; i++)
		if (old[i].rows != 0)
			*find_pair(grown, slots, old[i].actual, old[i].predicted) = old[i];
	c->pairs = grown;
	c->pair_slots = slots;
	pfree(old);
}

/* Count rows of a pair of labels. */
static void
count_pair(Classification *c, uint32 actual, uint32 predicted, uint64 rows)
{
	Pair	   *pair = find_pair(c->pairs, c->pair_slots, actual, predicted);

	if (pair->rows == 0)
	{
		if (c->npairs >= c->pair_slots / 2)
		{
			grow_pairs(c);
			pair = find_pair(c->pairs, c->pair_slots, actual, predicted);
		}
		pair->actual = actual;
		pair->predicted = predicted;
		c->npairs++;
	}
	pair->rows += rows;
	c->rows += rows;
}

/* ---- classification: flat form ---- */

/* The bytes of all labels in the flat form. */
static Size
flat_labels_size(Classification *c)
{
	Size		size = 0;

	if (c->type != LABEL_TEXT)
		return c->nlabels * sizeof(uint64);
	for (uint32 i = 0; i < c->nlabels; i++)
		size += c->labels[i].length;
	return MAXALIGN(c->nlabels * sizeof(uint32)) + MAXALIGN(size);
}

static Size
classification_flat_size(void *state)
{
	Classification *c = state;

	return sizeof(FlatClassification) + flat_labels_size(c) + (Size) c->npairs * sizeof(Pair);
}

static void
classification_flatten(void *state, char *bytes, Size size)
{
	Classification *c = state;
	FlatClassification *head = (FlatClassification *) bytes;
	char	   *at = bytes + sizeof(FlatClassification);
	Pair	   *pairs = (Pair *) (at + flat_labels_size(c));

	memset(bytes, 0, size);
	head->type = c->type;
	head->nlabels = c->nlabels;
	head->npairs = c->npairs;
	if (c->type == LABEL_TEXT)
	{
		char	   *string = at + MAXALIGN(c->nlabels * sizeof(uint32));

		for (uint32 i = 0; i < c->nlabels; i++)
		{
			((uint32 *) at)[i] = c->labels[i].length;
			memcpy(string, c->labels[i].string, c->labels[i].length);
			string += c->labels[i].length;
		}
	}
	else
		for (uint32 i = 0; i < c->nlabels; i++)
			((uint64 *) at)[i] = c->labels[i].bits;
	for (uint32 i = 0; i < c->pair_slots; i++)
		if (c->pairs[i].rows != 0)
			*pairs++ = c->pairs[i];
}

/* Fail on flat bytes that no state of ours has. */
static void
check_flat(bool right, const char *what)
{
	if (!right)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid aggregate state"),
				 errdetail("It has a wrong %s.", what)));
}

/* A label of a number. */
static inline void
number_label(Label *label, uint64 bits)
{
	*label = (Label) {.hash = ml_mix64(bits),.bits = bits};
}

/* A label of a string. */
static inline void
string_label(Label *label, const char *string, Size length)
{
	*label = (Label) {.hash = ml_hash_bytes(string, length, 0),.string = string,.length = (uint32) length};
}

/* Whether bits are a label of a type as our transition functions make them. */
static bool
valid_number_label(LabelType type, uint64 bits)
{
	double		value;

	if (type == LABEL_BOOLEAN)
		return bits <= 1;
	if (type == LABEL_BIGINT)
		return true;
	memcpy(&value, &bits, sizeof value);
	return isfinite(value) && bits == ml_number_bits(value);
}

/* Read labels from flat bytes; returns how many bytes they take. */
static Size
read_flat_labels(Classification *c, const char *bytes, Size size, uint32 nlabels)
{
	Size		lengths = MAXALIGN(nlabels * sizeof(uint32));
	const char *string = bytes + lengths;
	Size		used = 0;

	check_flat(nlabels <= MAX_LABELS, "number of labels");
	check_flat(size >= (c->type == LABEL_TEXT ? lengths : nlabels * sizeof(uint64)), "size");
	for (uint32 i = 0; i < nlabels; i++)
	{
		Label		label;

		if (c->type == LABEL_TEXT)
		{
			uint32		length = ((const uint32 *) bytes)[i];

			check_flat(length <= size - lengths - used, "length of a label");
			check_flat(pg_verify_mbstr(GetDatabaseEncoding(), string + used, (int) length, true), "label");
			string_label(&label, string + used, length);
			used += length;
		}
		else
		{
			number_label(&label, ((const uint64 *) bytes)[i]);
			check_flat(valid_number_label(c->type, label.bits), "label");
		}
		check_flat(label_number(c, &label) == i, "label, which it has twice");
	}
	if (c->type != LABEL_TEXT)
		return nlabels * sizeof(uint64);
	check_flat(MAXALIGN(used) <= size - lengths, "size");
	return lengths + MAXALIGN(used);
}

/* Add rows to a count of rows; fails rather than to overflow. */
static void
check_row_count(uint64 rows, uint64 more)
{
	uint64		sum;

	if (pg_add_u64_overflow(rows, more, &sum) || sum > PG_INT64_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("too many rows in an aggregate state")));
}

static void *
classification_unflatten(const char *bytes, Size size, MemoryContext memory)
{
	const FlatClassification *head = (const FlatClassification *) bytes;
	Classification *c;
	const Pair *pairs;
	Size		used = sizeof(FlatClassification);

	check_flat(size >= used, "size");
	check_flat(head->type >= LABEL_TEXT && head->type <= LABEL_FLOAT8, "type of labels");
	c = classification_create((LabelType) head->type, memory);
	used += read_flat_labels(c, bytes + used, size - used, head->nlabels);
	check_flat((size - used) % sizeof(Pair) == 0 && (size - used) / sizeof(Pair) == head->npairs, "size");
	pairs = (const Pair *) (bytes + used);
	for (uint64 i = 0; i < head->npairs; i++)
	{
		check_flat(pairs[i].actual < c->nlabels && pairs[i].predicted < c->nlabels, "pair of labels");
		check_flat(pairs[i].rows > 0, "number of rows");
		check_row_count(c->rows, pairs[i].rows);
		count_pair(c, pairs[i].actual, pairs[i].predicted, pairs[i].rows);
	}
	check_flat(c->npairs == head->npairs, "pair of labels, which it has twice");
	return c;
}

const StateKind classification_state_kind = {
	.id = STATE_CLASSIFICATION,
	.name = "classification",
	.flat_size = classification_flat_size,
	.flatten = classification_flatten,
	.unflatten = classification_unflatten,
};

/* ---- classification: transition ---- */

typedef void (*LabelReader) (FunctionCallInfo fcinfo, int argument, Label *label);

static inline void
read_text_label(FunctionCallInfo fcinfo, int argument, Label *label)
{
	text	   *value = PG_GETARG_TEXT_PP(argument);

	string_label(label, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

static inline void
read_boolean_label(FunctionCallInfo fcinfo, int argument, Label *label)
{
	number_label(label, PG_GETARG_BOOL(argument));
}

static inline void
read_bigint_label(FunctionCallInfo fcinfo, int argument, Label *label)
{
	number_label(label, (uint64) PG_GETARG_INT64(argument));
}

static inline void
read_float8_label(FunctionCallInfo fcinfo, int argument, Label *label)
{
	number_label(label, ml_number_bits(finite_argument(fcinfo, argument)));
}

/* A prediction of boolean labels that came as a number, as ml_predict gives it. */
static inline void
read_truth_label(FunctionCallInfo fcinfo, int argument, Label *label)
{
	double		value = PG_GETARG_FLOAT8(argument);

	if (value != 0.0 && value != 1.0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("predicted value of a boolean label is not 0 or 1"),
				 errdetail("The value is %s.", float8out_internal(value)),
				 errhint("Compare a probability with a threshold, such as (p >= 0.5).")));
	number_label(label, value == 1.0);
}

/* The state of a transition function, made at the first row. */
static inline Classification *
classification_state(FunctionCallInfo fcinfo, LabelType type, ExpandedState **expanded)
{
	MemoryContext memory = state_aggregate_memory(fcinfo);
	Classification *c;

	if (PG_ARGISNULL(0))
	{
		*expanded = state_create(&classification_state_kind, memory);
		(*expanded)->state = classification_create(type, (*expanded)->hdr.eoh_context);
	}
	else
		*expanded = state_get(PG_GETARG_DATUM(0), &classification_state_kind, memory);
	c = (*expanded)->state;
	if (c->type != type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate states of different label types cannot be combined")));
	return c;
}

/* Count one row. */
static pg_attribute_always_inline Datum
classification_add(FunctionCallInfo fcinfo, LabelType type, LabelReader read_actual, LabelReader read_predicted)
{
	ExpandedState *expanded;
	Classification *c;
	Label		actual;
	Label		predicted;
	uint32		actual_number;

	if (!row_counts(fcinfo))
		return skip_row(fcinfo);
	c = classification_state(fcinfo, type, &expanded);
	read_actual(fcinfo, 1, &actual);
	read_predicted(fcinfo, 2, &predicted);
	actual_number = label_number(c, &actual);
	count_pair(c, actual_number, label_number(c, &predicted), 1);
	return state_datum(expanded);
}

#define CLASSIFICATION_TRANSITION(name, type, read_actual, read_predicted) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return classification_add(fcinfo, type, read_actual, read_predicted); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

CLASSIFICATION_TRANSITION(ml_classification_text, LABEL_TEXT, read_text_label, read_text_label);
CLASSIFICATION_TRANSITION(ml_classification_boolean, LABEL_BOOLEAN, read_boolean_label, read_boolean_label);
CLASSIFICATION_TRANSITION(ml_classification_bigint, LABEL_BIGINT, read_bigint_label, read_bigint_label);
CLASSIFICATION_TRANSITION(ml_classification_float8, LABEL_FLOAT8, read_float8_label, read_float8_label);
CLASSIFICATION_TRANSITION(ml_classification_truth, LABEL_BOOLEAN, read_boolean_label, read_truth_label);

PG_FUNCTION_INFO_V1(ml_classification_combine);

/* Add the counts of the second state to the first. */
Datum
ml_classification_combine(PG_FUNCTION_ARGS)
{
	ExpandedState *other = state_get(PG_GETARG_DATUM(1), &classification_state_kind, CurrentMemoryContext);
	Classification *from = other->state;
	ExpandedState *expanded;
	Classification *into = classification_state(fcinfo, from->type, &expanded);
	uint32	   *numbers = palloc(sizeof(uint32) * (from->nlabels + 1));

	check_row_count(into->rows, from->rows);
	for (uint32 i = 0; i < from->nlabels; i++)
		numbers[i] = label_number(into, &from->labels[i]);
	for (uint32 i = 0; i < from->pair_slots; i++)
		if (from->pairs[i].rows != 0)
			count_pair(into, numbers[from->pairs[i].actual], numbers[from->pairs[i].predicted], from->pairs[i].rows);
	pfree(numbers);
	return state_datum(expanded);
}

/* ---- classification: result ---- */

/* The number that a label's bits are. */
static double
label_float8(uint64 bits)
{
	double		value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

/* Order labels: strings by their bytes, numbers by size, false before true. */
static int
compare_labels(const void *a, const void *b, void *arg)
{
	const Classification *c = arg;
	const Label *x = &c->labels[*(const uint32 *) a];
	const Label *y = &c->labels[*(const uint32 *) b];

	switch (c->type)
	{
		case LABEL_TEXT:
			{
				int			order = memcmp(x->string, y->string, Min(x->length, y->length));

				if (order != 0)
					return order;
				return (x->length > y->length) - (x->length < y->length);
			}
		case LABEL_FLOAT8:
			return (label_float8(x->bits) > label_float8(y->bits)) - (label_float8(x->bits) < label_float8(y->bits));
		default:
			return ((int64) x->bits > (int64) y->bits) - ((int64) x->bits < (int64) y->bits);
	}
}

/* The numbers of all labels in their order (palloc'd). */
static uint32 *
sorted_labels(Classification *c)
{
	uint32	   *order = palloc(sizeof(uint32) * (c->nlabels + 1));

	for (uint32 i = 0; i < c->nlabels; i++)
		order[i] = i;
	qsort_arg(order, c->nlabels, sizeof(uint32), compare_labels, c);
	return order;
}

/* The place in order of each label's number (palloc'd). */
static uint32 *
label_ranks(Classification *c, const uint32 *order)
{
	uint32	   *rank = palloc(sizeof(uint32) * (c->nlabels + 1));

	for (uint32 i = 0; i < c->nlabels; i++)
		rank[order[i]] = i;
	return rank;
}

/* Whether a label is the number given. */
static bool
label_is_number(LabelType type, const Label *label, int number)
{
	if (type == LABEL_FLOAT8)
		return label_float8(label->bits) == number;
	return type != LABEL_TEXT && label->bits == (uint64) number;
}

/*
 * The rank of the class that precision, recall and F1 are of; -1 = there are more than two, so their
 * means.  It is the greatest label; but where all labels are boolean, or 0 and 1, it is true or 1 even
 * when that was not seen, and its rank is then behind all labels.
 */
static ptrdiff_t
positive_rank(Classification *c, const uint32 *order)
{
	const Label *greatest = &c->labels[order[c->nlabels - 1]];

	if (c->nlabels > 2)
		return -1;
	if (c->nlabels == 1 && label_is_number(c->type, greatest, 0))
		return c->nlabels;
	return c->nlabels - 1;
}

/* All metrics of a state that has rows. */
static void
classification_metrics(Classification *c, MlTallyMetrics *metrics)
{
	uint32	   *order = sorted_labels(c);
	uint32	   *rank = label_ranks(c, order);
	MlTally    *tallies = palloc0(sizeof(MlTally) * (c->nlabels + 1));

	for (uint32 i = 0; i < c->pair_slots; i++)
	{
		const Pair *pair = &c->pairs[i];

		if (pair->rows == 0)
			continue;
		tallies[rank[pair->actual]].actual += (double) pair->rows;
		tallies[rank[pair->predicted]].predicted += (double) pair->rows;
		if (pair->actual == pair->predicted)
			tallies[rank[pair->actual]].hits += (double) pair->rows;
	}
	ml_tally_metrics(tallies, (size_t) c->nlabels + 1, positive_rank(c, order), metrics);
	pfree(tallies);
	pfree(rank);
	pfree(order);
}

/* A final function's state. */
static void *
final_state(FunctionCallInfo fcinfo, const StateKind *kind)
{
	return state_get(PG_GETARG_DATUM(0), kind, CurrentMemoryContext)->state;
}

#define CLASSIFICATION_FINAL(name, member) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		Classification *c = final_state(fcinfo, &classification_state_kind); \
		MlTallyMetrics metrics; \
		if (c->rows == 0) \
			PG_RETURN_NULL(); \
		classification_metrics(c, &metrics); \
		return metric_datum(fcinfo, metrics.member); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

CLASSIFICATION_FINAL(ml_accuracy_final, accuracy);
CLASSIFICATION_FINAL(ml_balanced_accuracy_final, balanced_accuracy);
CLASSIFICATION_FINAL(ml_precision_final, precision);
CLASSIFICATION_FINAL(ml_recall_final, recall);
CLASSIFICATION_FINAL(ml_f1_final, f1);
CLASSIFICATION_FINAL(ml_mcc_final, mcc);

/* A label as JSON. */
static void
label_json(LabelType type, const Label *label, JsonbValue *value)
{
	Datum		number;

	switch (type)
	{
		case LABEL_TEXT:
			value->type = jbvString;
			value->val.string.val = unconstify(char *, label->string);
			value->val.string.len = (int) label->length;
			return;
		case LABEL_BOOLEAN:
			value->type = jbvBool;
			value->val.boolean = label->bits == 1;
			return;
		case LABEL_BIGINT:
			value->type = jbvNumeric;
			value->val.numeric = int64_to_numeric((int64) label->bits);
			return;
		default:
			/* by its shortest exact text: the cast of float8 to numeric would round */
			number = DirectFunctionCall3(numeric_in, CStringGetDatum(float8out_internal(label_float8(label->bits))),
										 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
			value->type = jbvNumeric;
			value->val.numeric = DatumGetNumeric(number);
	}
}

/* Write an object's key. */
static void
push_key(JsonbParseState **json, const char *name)
{
	JsonbValue	key = {.type = jbvString};

	key.val.string.val = unconstify(char *, name);
	key.val.string.len = (int) strlen(name);
	pushJsonbValue(json, WJB_KEY, &key);
}

/* Write the rows of the matrix. */
static void
push_matrix(JsonbParseState **json, Classification *c, const uint32 *order)
{
	Numeric		zero = int64_to_numeric(0);

	pushJsonbValue(json, WJB_BEGIN_ARRAY, NULL);
	for (uint32 i = 0; i < c->nlabels; i++)
	{
		CHECK_FOR_INTERRUPTS();
		pushJsonbValue(json, WJB_BEGIN_ARRAY, NULL);
		for (uint32 j = 0; j < c->nlabels; j++)
		{
			uint64		rows = find_pair(c->pairs, c->pair_slots, order[i], order[j])->rows;
			JsonbValue	value = {.type = jbvNumeric};

			value.val.numeric = rows == 0 ? zero : int64_to_numeric((int64) rows);
			pushJsonbValue(json, WJB_ELEM, &value);
		}
		pushJsonbValue(json, WJB_END_ARRAY, NULL);
	}
	pushJsonbValue(json, WJB_END_ARRAY, NULL);
}

PG_FUNCTION_INFO_V1(ml_confusion_matrix_final);

/* {"labels": [...], "matrix": [[...]]}: rows are actual, columns predicted. */
Datum
ml_confusion_matrix_final(PG_FUNCTION_ARGS)
{
	Classification *c = final_state(fcinfo, &classification_state_kind);
	uint32	   *order = sorted_labels(c);
	JsonbParseState *json = NULL;
	JsonbValue *result;

	if (c->rows == 0)
		PG_RETURN_NULL();
	if (c->nlabels > MAX_MATRIX_LABELS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many labels for a confusion matrix"),
				 errdetail("There are %u; a matrix can have at most %d.", c->nlabels, MAX_MATRIX_LABELS)));
	pushJsonbValue(&json, WJB_BEGIN_OBJECT, NULL);
	push_key(&json, "labels");
	pushJsonbValue(&json, WJB_BEGIN_ARRAY, NULL);
	for (uint32 i = 0; i < c->nlabels; i++)
	{
		JsonbValue	label;

		label_json(c->type, &c->labels[order[i]], &label);
		pushJsonbValue(&json, WJB_ELEM, &label);
	}
	pushJsonbValue(&json, WJB_END_ARRAY, NULL);
	push_key(&json, "matrix");
	push_matrix(&json, c, order);
	result = pushJsonbValue(&json, WJB_END_OBJECT, NULL);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(result));
}

/* ---- scores ---- */

/* The score keys of one label's rows. */
typedef struct KeyList
{
	uint64	   *keys;
	Size		n;
	Size		capacity;
} KeyList;

typedef struct Scores
{
	MemoryContext memory;
	KeyList		lists[2];		/* of negative rows, of positive rows; in any order */
} Scores;

/* The flat form: this, then the keys of negative rows, then those of positive ones. */
typedef struct FlatScores
{
	uint64		n[2];
} FlatScores;

/*
 * Make room for more keys; fails when there would be none to sort them at the end.  A long list grows by an eighth,
 * so that little lies idle and the limit is not passed by more than that between two looks at it.
 */
static void
grow_keys(Scores *scores, KeyList *list, Size more)
{
	Size		rows = scores->lists[0].n + scores->lists[1].n;
	Size		larger = Max(scores->lists[0].n, scores->lists[1].n);
	Size		step = list->capacity < LONG_SCORES ? list->capacity : list->capacity / 8;
	Size		capacity = Max(list->capacity + step, list->n + more);

	capacity = Max(capacity, FIRST_SCORES);
	/* all of them, and a buffer as large as the larger list */
	check_state_memory((rows + more + Max(larger, list->n + more)) * sizeof(uint64), rows);
	if (list->keys == NULL)
		list->keys = MemoryContextAllocHuge(scores->memory, capacity * sizeof(uint64));
	else
		list->keys = repalloc_huge(list->keys, capacity * sizeof(uint64));
	list->capacity = capacity;
}

static Scores *
scores_create(MemoryContext memory)
{
	Scores	   *scores = MemoryContextAllocZero(memory, sizeof(Scores));

	scores->memory = memory;
	return scores;
}

/* Append keys to one of the lists. */
static void
append_keys(Scores *scores, int positive, const uint64 *keys, Size n)
{
	KeyList    *list = &scores->lists[positive];

	if (n == 0)
		return;
	if (list->capacity - list->n < n)
		grow_keys(scores, list, n);
	memcpy(list->keys + list->n, keys, n * sizeof(uint64));
	list->n += n;
}

static Size
scores_flat_size(void *state)
{
	Scores	   *scores = state;

	return sizeof(FlatScores) + (scores->lists[0].n + scores->lists[1].n) * sizeof(uint64);
}

static void
scores_flatten(void *state, char *bytes, Size size)
{
	Scores	   *scores = state;
	FlatScores *head = (FlatScores *) bytes;
	char	   *at = bytes + sizeof(FlatScores);

	Assert(size == scores_flat_size(state));
	(void) size;
	for (int i = 0; i < 2; i++)
	{
		const KeyList *list = &scores->lists[i];

		head->n[i] = list->n;
		if (list->n > 0)
			memcpy(at, list->keys, list->n * sizeof(uint64));
		at += list->n * sizeof(uint64);
	}
}

static void *
scores_unflatten(const char *bytes, Size size, MemoryContext memory)
{
	const FlatScores *head = (const FlatScores *) bytes;
	const uint64 *keys = (const uint64 *) (bytes + sizeof(FlatScores));
	const uint64 least = ml_score_key(-get_float8_infinity());
	const uint64 greatest = ml_score_key(get_float8_infinity());
	const uint64 minus_zero = ml_score_key(0.0) - 1;
	Size		n;
	Scores	   *scores;

	check_flat(size >= sizeof(FlatScores) && (size - sizeof(FlatScores)) % sizeof(uint64) == 0, "size");
	n = (size - sizeof(FlatScores)) / sizeof(uint64);
	check_flat(head->n[0] <= n && head->n[1] == n - head->n[0], "number of scores");
	for (Size i = 0; i < n; i++)
		check_flat(keys[i] >= least && keys[i] <= greatest && keys[i] != minus_zero, "score");
	scores = scores_create(memory);
	append_keys(scores, 0, keys, head->n[0]);
	append_keys(scores, 1, keys + head->n[0], head->n[1]);
	return scores;
}

const StateKind scores_state_kind = {
	.id = STATE_SCORES,
	.name = "scores",
	.flat_size = scores_flat_size,
	.flatten = scores_flatten,
	.unflatten = scores_unflatten,
};

/* The state of a transition function, made at the first row. */
static inline ExpandedState *
scores_state(FunctionCallInfo fcinfo)
{
	MemoryContext memory = state_aggregate_memory(fcinfo);
	ExpandedState *expanded;

	if (!PG_ARGISNULL(0))
		return state_get(PG_GETARG_DATUM(0), &scores_state_kind, memory);
	expanded = state_create(&scores_state_kind, memory);
	expanded->state = scores_create(expanded->hdr.eoh_context);
	return expanded;
}

/* Keep one row's score. */
static Datum
scores_add(FunctionCallInfo fcinfo, bool positive)
{
	ExpandedState *expanded = scores_state(fcinfo);
	Scores	   *scores = expanded->state;
	KeyList    *list = &scores->lists[positive];
	double		score = PG_GETARG_FLOAT8(2);

	if (isnan(score))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("score is not a number"),
				 errdetail("The value is NaN, which has no rank."),
				 errhint("Leave such rows out, for example with FILTER (WHERE ...).")));
	if (list->n == list->capacity)
		grow_keys(scores, list, 1);
	list->keys[list->n++] = ml_score_key(score);
	return state_datum(expanded);
}

PG_FUNCTION_INFO_V1(ml_scores_boolean);
PG_FUNCTION_INFO_V1(ml_scores_float8);
PG_FUNCTION_INFO_V1(ml_scores_combine);

/* Add a row whose label is a boolean. */
Datum
ml_scores_boolean(PG_FUNCTION_ARGS)
{
	if (!row_counts(fcinfo))
		return skip_row(fcinfo);
	return scores_add(fcinfo, PG_GETARG_BOOL(1));
}

/* Add a row whose label is a number. */
Datum
ml_scores_float8(PG_FUNCTION_ARGS)
{
	if (!row_counts(fcinfo))
		return skip_row(fcinfo);
	return scores_add(fcinfo, positive_argument(fcinfo, 1));
}

/* Append the scores of the second state to the first. */
Datum
ml_scores_combine(PG_FUNCTION_ARGS)
{
	ExpandedState *expanded = scores_state(fcinfo);
	Scores	   *from = state_get(PG_GETARG_DATUM(1), &scores_state_kind, CurrentMemoryContext)->state;

	for (int i = 0; i < 2; i++)
		append_keys(expanded->state, i, from->lists[i].keys, from->lists[i].n);
	return state_datum(expanded);
}

/* Both rank metrics; sorts the lists of the state, whose order has no meaning. */
static void
rank_metrics(Scores *scores, double *roc_auc, double *average_precision)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_roc_auc", false);

	ml_rank_metrics(ctx, scores->lists[1].keys, scores->lists[1].n, scores->lists[0].keys, scores->lists[0].n,
					roc_auc, average_precision);
	host_context_delete(ctx);
}

PG_FUNCTION_INFO_V1(ml_roc_auc_final);
PG_FUNCTION_INFO_V1(ml_average_precision_final);

/* The area under the ROC curve; NULL with one class only. */
Datum
ml_roc_auc_final(PG_FUNCTION_ARGS)
{
	double		area;

	rank_metrics(final_state(fcinfo, &scores_state_kind), &area, NULL);
	return metric_datum(fcinfo, area);
}

/* The average precision; NULL without a positive row. */
Datum
ml_average_precision_final(PG_FUNCTION_ARGS)
{
	double		precision;

	rank_metrics(final_state(fcinfo, &scores_state_kind), NULL, &precision);
	return metric_datum(fcinfo, precision);
}

/* ---- regression ---- */

static Size
regression_flat_size(void *state)
{
	(void) state;
	return sizeof(MlErrorSums);
}

static void
regression_flatten(void *state, char *bytes, Size size)
{
	memcpy(bytes, state, size);
}

static void *
regression_unflatten(const char *bytes, Size size, MemoryContext memory)
{
	MlErrorSums *sums;

	check_flat(size == sizeof(MlErrorSums), "size");
	sums = MemoryContextAlloc(memory, sizeof(MlErrorSums));
	memcpy(sums, bytes, sizeof(MlErrorSums));
	check_flat(sums->rows > 0 && sums->rows <= PG_INT64_MAX && sums->weight == (double) sums->rows,
			   "number of rows");
	return sums;
}

const StateKind regression_state_kind = {
	.id = STATE_REGRESSION,
	.name = "regression",
	.flat_size = regression_flat_size,
	.flatten = regression_flatten,
	.unflatten = regression_unflatten,
};

/* The state of a transition function, made at the first row. */
static inline ExpandedState *
regression_state(FunctionCallInfo fcinfo)
{
	MemoryContext memory = state_aggregate_memory(fcinfo);
	ExpandedState *expanded;

	if (!PG_ARGISNULL(0))
		return state_get(PG_GETARG_DATUM(0), &regression_state_kind, memory);
	expanded = state_create(&regression_state_kind, memory);
	expanded->state = MemoryContextAllocZero(expanded->hdr.eoh_context, sizeof(MlErrorSums));
	return expanded;
}

PG_FUNCTION_INFO_V1(ml_regression_float8);
PG_FUNCTION_INFO_V1(ml_probability_boolean);
PG_FUNCTION_INFO_V1(ml_probability_float8);
PG_FUNCTION_INFO_V1(ml_regression_combine);

/* Add one row's actual and predicted number. */
Datum
ml_regression_float8(PG_FUNCTION_ARGS)
{
	ExpandedState *expanded;

	if (!row_counts(fcinfo))
		return skip_row(fcinfo);
	expanded = regression_state(fcinfo);
	ml_errors_add(expanded->state, finite_argument(fcinfo, 1), finite_argument(fcinfo, 2), 1.0);
	return state_datum(expanded);
}

/* Add one row's label and probability. */
static Datum
probability_add(FunctionCallInfo fcinfo, bool positive)
{
	ExpandedState *expanded = regression_state(fcinfo);
	double		probability = PG_GETARG_FLOAT8(2);

	if (!(probability >= 0.0 && probability <= 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("probability is not between 0 and 1"),
				 errdetail("The value is %s.", float8out_internal(probability)),
				 errhint("Give the probability of the positive class, as ml_probability returns it.")));
	ml_errors_add_probability(expanded->state, positive, probability, 1.0);
	return state_datum(expanded);
}

/* Add a row whose label is a boolean. */
Datum
ml_probability_boolean(PG_FUNCTION_ARGS)
{
	if (!row_counts(fcinfo))
		return skip_row(fcinfo);
	return probability_add(fcinfo, PG_GETARG_BOOL(1));
}

/* Add a row whose label is a number. */
Datum
ml_probability_float8(PG_FUNCTION_ARGS)
{
	if (!row_counts(fcinfo))
		return skip_row(fcinfo);
	return probability_add(fcinfo, positive_argument(fcinfo, 1));
}

/* Add the sums of the second state to the first. */
Datum
ml_regression_combine(PG_FUNCTION_ARGS)
{
	ExpandedState *expanded = regression_state(fcinfo);
	MlErrorSums *from = state_get(PG_GETARG_DATUM(1), &regression_state_kind, CurrentMemoryContext)->state;
	MlErrorSums *into = expanded->state;

	check_row_count(into->rows, from->rows);
	ml_errors_merge(into, from);
	return state_datum(expanded);
}

/* A metric made of sums: NaN or infinity among finite rows means that a sum overflowed. */
static Datum
sums_datum(double value)
{
	if (!isfinite(value))
		float_overflow_error();
	PG_RETURN_FLOAT8(value);
}

#define REGRESSION_FINAL(name, member) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		MlErrorMetrics metrics; \
		ml_errors_metrics(final_state(fcinfo, &regression_state_kind), &metrics); \
		return sums_datum(metrics.member); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

REGRESSION_FINAL(ml_mae_final, mae);
REGRESSION_FINAL(ml_mse_final, mse);
REGRESSION_FINAL(ml_rmse_final, rmse);
REGRESSION_FINAL(ml_mape_final, mape);
REGRESSION_FINAL(ml_log_loss_final, log_loss);
REGRESSION_FINAL(ml_brier_final, brier);

PG_FUNCTION_INFO_V1(ml_r2_final);

/* The coefficient of determination; NULL below two rows. */
Datum
ml_r2_final(PG_FUNCTION_ARGS)
{
	MlErrorSums *sums = final_state(fcinfo, &regression_state_kind);
	MlErrorMetrics metrics;

	if (sums->rows < 2)
		PG_RETURN_NULL();
	ml_errors_metrics(sums, &metrics);
	return sums_datum(metrics.r2);
}
