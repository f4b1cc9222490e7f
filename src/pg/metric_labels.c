/*
 * Labels as they come from rows, and how often each pair (actual, predicted) of them was seen.
 *
 * Labels are numbered in the order of their appearance; a hash table finds their numbers, and another the pairs.  Both
 * begin small, since GROUP BY makes many of them.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/syscache.h"

#include "base/hash.h"
#include "pg/metric_labels.h"

/* More labels than this are no classes: a number to predict, or an identifier. */
#define MAX_LABELS 10000

/* Hash tables begin this small; powers of two. */
#define FIRST_SLOTS 8

/* What digits a numeric can have before and behind its point. */
#define NUMERIC_DIGITS_BEFORE 131072
#define NUMERIC_DIGITS_BEHIND 16383

/* The flat form: this, then labels (8 bytes each, or lengths and strings), then pairs. */
typedef struct FlatClassification
{
	uint32		type;
	uint32		nlabels;
	uint64		npairs;
	uint32		weighted;
	uint32		average;
	double		beta;
	MlSum		squares;
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
	c->pairs = MemoryContextAllocZero(memory, FIRST_SLOTS / 2 * sizeof(Pair));
	c->places = MemoryContextAllocZero(memory, FIRST_SLOTS * sizeof(uint32));
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
	return a->hash == b->hash && a->bits == b->bits && a->tail == b->tail && a->length == b->length &&
		(a->length <= 2 * sizeof(uint64) || memcmp(a->string, b->string, a->length) == 0);
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

/* Where the table of pairs has a pair, or would have it. */
static inline uint32
pair_place(const Classification *c, uint32 actual, uint32 predicted)
{
	uint32		slot = ml_mix64((uint64) actual << 32 | predicted) & (c->pair_slots - 1);

	while (c->places[slot] != 0 && (c->pairs[c->places[slot] - 1].actual != actual ||
									c->pairs[c->places[slot] - 1].predicted != predicted))
		slot = (slot + 1) & (c->pair_slots - 1);
	return slot;
}

/* Double the room for pairs. */
static void
grow_pairs(Classification *c)
{
	uint32		slots = c->pair_slots * 2;

	classification_reserve(c, (Size) c->pair_slots * (sizeof(Pair) / 2 + sizeof(uint32)));
	c->pairs = repalloc_huge(c->pairs, (Size) slots / 2 * sizeof(Pair));
	pfree(c->places);
	c->places = MemoryContextAllocExtended(c->memory, (Size) slots * sizeof(uint32), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	c->pair_slots = slots;
	for (uint32 i = 0; i < c->npairs; i++)
		c->places[pair_place(c, c->pairs[i].actual, c->pairs[i].predicted)] = i + 1;
}

Pair *
pair_of_labels(Classification *c, uint32 actual, uint32 predicted)
{
	uint32		place = c->places[pair_place(c, actual, predicted)];

	return place == 0 ? NULL : &c->pairs[place - 1];
}

/* The same, which is added when it is new. */
static Pair *
add_pair(Classification *c, uint32 actual, uint32 predicted)
{
	uint32		place = pair_place(c, actual, predicted);

	if (c->places[place] == 0)
	{
		if (c->npairs == c->pair_slots / 2)
		{
			grow_pairs(c);
			place = pair_place(c, actual, predicted);
		}
		c->pairs[c->npairs] = (Pair) {.actual = actual,.predicted = predicted};
		c->places[place] = ++c->npairs;
		if (actual < DENSE_LABELS && predicted < DENSE_LABELS)
			c->dense[actual * DENSE_LABELS + predicted] = c->npairs;
	}
	return &c->pairs[c->places[place] - 1];
}

/* Count a row of a pair of labels. */
static inline void
count_row(Classification *c, uint32 actual, uint32 predicted, double weight)
{
	Pair	   *pair;
	uint32		number = 0;

	if (actual < DENSE_LABELS && predicted < DENSE_LABELS)
		number = c->dense[actual * DENSE_LABELS + predicted];
	pair = number > 0 ? &c->pairs[number - 1] : add_pair(c, actual, predicted);
	pair->rows++;
	if (c->weighted)
	{
		ml_sum_add(&pair->weight, weight);
		ml_sum_add(&c->squares, weight * weight);
	}
	c->rows++;
}

/* ---- flat form ---- */

/* The bytes of all labels in the flat form. */
static Size
flat_labels_size(Classification *c)
{
	Size		size = 0;

	if (!label_is_string(c->type))
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

	memset(bytes, 0, size);
	head->type = c->type;
	head->nlabels = c->nlabels;
	head->npairs = c->npairs;
	head->weighted = c->weighted;
	head->average = c->average;
	head->beta = c->beta;
	head->squares = c->squares;
	memcpy(at + flat_labels_size(c), c->pairs, c->npairs * sizeof(Pair));
	if (label_is_string(c->type))
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
}

/* A label of a number. */
static inline void
number_label(Label *label, uint64 bits)
{
	*label = (Label) {.hash = ml_mix64(bits),.bits = bits};
}

/* The first and the last bytes of a string. */
static inline void
string_ends(const char *string, Size length, uint64 *first, uint64 *last)
{
	uint32		half[2];

	if (length >= sizeof(uint64))
	{
		memcpy(first, string, sizeof(uint64));
		memcpy(last, string + length - sizeof(uint64), sizeof(uint64));
		return;
	}
	*first = 0;
	*last = 0;
	if (length >= sizeof(uint32))
	{
		memcpy(&half[0], string, sizeof(uint32));
		memcpy(&half[1], string + length - sizeof(uint32), sizeof(uint32));
		*first = half[0];
		*last = half[1];
	}
	else if (length > 0)
		*first = (uint64) (uint8) string[0] | (uint64) (uint8) string[length / 2] << 8 |
			(uint64) (uint8) string[length - 1] << 16;
}

/* A label of a string. */
static inline void
string_label(Label *label, const char *string, Size length)
{
	*label = (Label) {.string = string,.length = (uint32) length};
	string_ends(string, length, &label->bits, &label->tail);
	if (length <= 2 * sizeof(uint64))
		label->hash = ml_mum64(label->bits ^ UINT64_C(0xa0761d6478bd642f),
							   label->tail ^ UINT64_C(0xe7037ed1a0b428db) ^ length);
	else
		label->hash = ml_hash_bytes(string, length, 0);
}

/* Whether a string is what numeric_normalize writes of a finite number. */
static bool
valid_digits(const char *string, Size length)
{
	Size		sign = length > 0 && string[0] == '-';
	Size		before = sign;
	Size		end;

	while (before < length && string[before] >= '0' && string[before] <= '9')
		before++;
	end = before;
	if (end < length && string[end] == '.')
		for (end++; end < length && string[end] >= '0' && string[end] <= '9';)
			end++;
	if (end != length || before == sign || (string[sign] == '0' && before - sign > 1))
		return false;			/* other characters, no digits, or a zero in front */
	if (end > before && (end == before + 1 || string[end - 1] == '0'))
		return false;			/* a point without digits, or a zero at the end */
	if (sign && before == 2 && string[1] == '0' && end == before)
		return false;			/* minus zero */
	return before - sign <= NUMERIC_DIGITS_BEFORE && end - before <= NUMERIC_DIGITS_BEHIND + 1;
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
	if (type == LABEL_ENUM)
		return bits <= PG_UINT32_MAX && bits != InvalidOid;
	memcpy(&value, &bits, sizeof value);
	return isfinite(value) && bits == ml_number_bits(value);
}

/* Read one label that is a string of so many bytes. */
static void
read_flat_string(LabelType type, const char *string, uint32 length, Label *label)
{
	if (type == LABEL_TEXT)
		check_flat(pg_verify_mbstr(GetDatabaseEncoding(), string, (int) length, true), "label");
	else
		check_flat(valid_digits(string, length), "label");
	string_label(label, string, length);
}

/* Read labels from flat bytes; returns how many bytes they take. */
static Size
read_flat_labels(Classification *c, const char *bytes, Size size, uint32 nlabels)
{
	bool		strings = label_is_string(c->type);
	Size		lengths = MAXALIGN(nlabels * sizeof(uint32));
	const char *string = bytes + lengths;
	Size		used = 0;

	check_flat(nlabels <= MAX_LABELS, "number of labels");
	check_flat(size >= (strings ? lengths : nlabels * sizeof(uint64)), "size");
	for (uint32 i = 0; i < nlabels; i++)
	{
		Label		label;

		if (strings)
		{
			uint32		length = ((const uint32 *) bytes)[i];

			check_flat(length <= size - lengths - used, "length of a label");
			read_flat_string(c->type, string + used, length, &label);
			used += length;
		}
		else
		{
			number_label(&label, ((const uint64 *) bytes)[i]);
			check_flat(valid_number_label(c->type, label.bits), "label");
		}
		check_flat(label_number(c, &label) == i, "label, which it has twice");
	}
	if (!strings)
		return nlabels * sizeof(uint64);
	check_flat(MAXALIGN(used) <= size - lengths, "size");
	return lengths + MAXALIGN(used);
}

/* Add the rows of a pair from another state. */
static void
merge_pair(Classification *c, uint32 actual, uint32 predicted, const Pair *from)
{
	Pair	   *pair = add_pair(c, actual, predicted);

	check_row_count(c->rows, from->rows);
	pair->rows += from->rows;
	ml_sum_merge(&pair->weight, &from->weight);
	c->rows += from->rows;
}

static void *
classification_unflatten(const char *bytes, Size size, MemoryContext memory)
{
	const FlatClassification *head = (const FlatClassification *) bytes;
	Classification *c;
	const Pair *pairs;
	Size		used = sizeof(FlatClassification);

	check_flat(size >= used, "size");
	check_flat(head->type >= LABEL_TEXT && head->type <= LABEL_TYPES, "type of labels");
	check_flat(head->weighted <= 1, "mark of weights");
	check_flat(head->average <= ML_AVERAGE_WEIGHTED, "average");
	check_flat(isfinite(head->beta) && head->beta >= 0.0, "beta");
	check_flat(head->weighted == 1 || (head->squares.sum == 0.0 && head->squares.rest == 0.0), "square of weights");
	c = classification_create((LabelType) head->type, memory);
	c->weighted = head->weighted == 1;
	c->average = (MlAverage) head->average;
	c->beta = head->beta;
	c->squares = head->squares;
	used += read_flat_labels(c, bytes + used, size - used, head->nlabels);
	check_flat((size - used) % sizeof(Pair) == 0 && (size - used) / sizeof(Pair) == head->npairs, "size");
	pairs = (const Pair *) (bytes + used);
	for (uint64 i = 0; i < head->npairs; i++)
	{
		check_flat(pairs[i].actual < c->nlabels && pairs[i].predicted < c->nlabels, "pair of labels");
		check_flat(pairs[i].rows > 0, "number of rows");
		check_flat(c->weighted ? valid_weight(ml_sum_value(&pairs[i].weight)) :
				   pairs[i].weight.sum == 0.0 && pairs[i].weight.rest == 0.0, "weight");
		merge_pair(c, pairs[i].actual, pairs[i].predicted, &pairs[i]);
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

/* ---- transition ---- */

typedef void (*LabelReader) (FunctionCallInfo fcinfo, int argument, Label *label);

static inline void
read_text_label(FunctionCallInfo fcinfo, int argument, Label *label)
{
	text	   *value = (text *) PG_GETARG_POINTER(argument);

	/* most labels are in the row as they are */
	if (unlikely(VARATT_IS_EXTERNAL(value) || VARATT_IS_COMPRESSED(value)))
		value = PG_GETARG_TEXT_PP(argument);

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

/* The digits of a number, the same for all ways to write it. */
static inline void
read_numeric_label(FunctionCallInfo fcinfo, int argument, Label *label)
{
	Numeric		value = PG_GETARG_NUMERIC(argument);
	char	   *digits;

	if (numeric_is_nan(value) || numeric_is_inf(value))
		refuse_not_finite(argument, DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value))));
	digits = numeric_normalize(value);
	string_label(label, digits, strlen(digits));
}

static inline void
read_enum_label(FunctionCallInfo fcinfo, int argument, Label *label)
{
	number_label(label, PG_GETARG_OID(argument));
}

/* What stands behind the two labels of a row, in this order. */
#define WITH_BETA 1
#define WITH_AVERAGE 2
#define WITH_WEIGHT 4

/* The settings of a call. */
typedef struct Settings
{
	MlAverage	average;
	double		beta;
	double		weight;
} Settings;

/* Read a name of an average. */
static MlAverage
average_setting(FunctionCallInfo fcinfo, int argument)
{
	text	   *name;
	int			average;

	if (PG_ARGISNULL(argument))
		refuse_setting("average", true);
	name = PG_GETARG_TEXT_PP(argument);
	average = ml_average_named(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (average < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no average \"%s\"", text_to_cstring(name)),
				 errhint("Averages are binary, macro, micro and weighted.")));
	return (MlAverage) average;
}

/* Read what stands behind the labels; false when the row does not count. */
static pg_attribute_always_inline bool
read_settings(FunctionCallInfo fcinfo, int with, Settings *settings)
{
	int			argument = 3;

	*settings = (Settings) {ML_AVERAGE_DEFAULT, 1.0, 1.0};
	if (with & WITH_BETA)
	{
		settings->beta = float8_setting(fcinfo, argument++, "beta");
		if (!(settings->beta >= 0.0) || isinf(settings->beta))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("beta must be a finite number, not negative")));
	}
	if (with & WITH_AVERAGE)
		settings->average = average_setting(fcinfo, argument++);
	if (!arguments_present(fcinfo, 2))
		return false;
	if (with & WITH_WEIGHT)
	{
		if (PG_ARGISNULL(argument))
			return false;
		settings->weight = weight_argument(fcinfo, argument);
		return settings->weight > 0.0;
	}
	return true;
}

/* Fail on a state whose labels or settings are not those of a call. */
static inline void
check_same(const Classification *c, LabelType type, bool weighted, MlAverage average, double beta)
{
	if (unlikely(c->type != type || c->weighted != weighted))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate states of different label types cannot be combined")));
	if (unlikely(c->average != average))
		refuse_setting("average", false);
	if (unlikely(c->beta != beta))
		refuse_setting("beta", false);
}

/* The state of a transition function, made at the first row. */
static inline Classification *
classification_state(FunctionCallInfo fcinfo, LabelType type, bool weighted, MlAverage average, double beta,
					 ExpandedState **expanded)
{
	MemoryContext memory;
	Classification *c;

	*expanded = state_of_row(fcinfo, &classification_state_kind);
	if (unlikely(*expanded == NULL))
	{
		memory = state_aggregate_memory(fcinfo);
		if (PG_ARGISNULL(0))
		{
			*expanded = state_create(&classification_state_kind, memory);
			c = classification_create(type, (*expanded)->hdr.eoh_context);
			c->weighted = weighted;
			c->average = average;
			c->beta = beta;
			(*expanded)->state = c;
		}
		else
			*expanded = state_get(PG_GETARG_DATUM(0), &classification_state_kind, memory);
	}
	c = (*expanded)->state;
	check_same(c, type, weighted, average, beta);
	return c;
}

/* Count one row. */
static pg_attribute_always_inline Datum
classification_add(FunctionCallInfo fcinfo, LabelType type, LabelReader read_actual, LabelReader read_predicted,
				   int with)
{
	ExpandedState *expanded;
	Classification *c;
	Settings	settings;
	Label		actual;
	Label		predicted;
	uint32		actual_number;

	if (!read_settings(fcinfo, with, &settings))
		return skip_row(fcinfo);
	c = classification_state(fcinfo, type, (with & WITH_WEIGHT) != 0, settings.average, settings.beta, &expanded);
	read_actual(fcinfo, 1, &actual);
	read_predicted(fcinfo, 2, &predicted);
	actual_number = label_number(c, &actual);
	count_row(c, actual_number, same_label(&actual, &predicted) ? actual_number : label_number(c, &predicted),
			  settings.weight);
	return state_datum(expanded);
}

#define CLASSIFICATION_TRANSITION(name, type, read_actual, read_predicted, with) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return classification_add(fcinfo, type, read_actual, read_predicted, with); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

#define CLASSIFICATION_TRANSITIONS(name, type, read_actual, read_predicted) \
	CLASSIFICATION_TRANSITION(name, type, read_actual, read_predicted, 0); \
	CLASSIFICATION_TRANSITION(name##_w, type, read_actual, read_predicted, WITH_WEIGHT); \
	CLASSIFICATION_TRANSITION(name##_a, type, read_actual, read_predicted, WITH_AVERAGE); \
	CLASSIFICATION_TRANSITION(name##_aw, type, read_actual, read_predicted, WITH_AVERAGE | WITH_WEIGHT); \
	CLASSIFICATION_TRANSITION(name##_b, type, read_actual, read_predicted, WITH_BETA); \
	CLASSIFICATION_TRANSITION(name##_bw, type, read_actual, read_predicted, WITH_BETA | WITH_WEIGHT); \
	CLASSIFICATION_TRANSITION(name##_ba, type, read_actual, read_predicted, WITH_BETA | WITH_AVERAGE); \
	CLASSIFICATION_TRANSITION(name##_baw, type, read_actual, read_predicted, WITH_BETA | WITH_AVERAGE | WITH_WEIGHT)

CLASSIFICATION_TRANSITIONS(ml_classification_text, LABEL_TEXT, read_text_label, read_text_label);
CLASSIFICATION_TRANSITIONS(ml_classification_boolean, LABEL_BOOLEAN, read_boolean_label, read_boolean_label);
CLASSIFICATION_TRANSITIONS(ml_classification_bigint, LABEL_BIGINT, read_bigint_label, read_bigint_label);
CLASSIFICATION_TRANSITIONS(ml_classification_float8, LABEL_FLOAT8, read_float8_label, read_float8_label);
CLASSIFICATION_TRANSITIONS(ml_classification_numeric, LABEL_NUMERIC, read_numeric_label, read_numeric_label);
CLASSIFICATION_TRANSITIONS(ml_classification_enum, LABEL_ENUM, read_enum_label, read_enum_label);
CLASSIFICATION_TRANSITIONS(ml_classification_truth, LABEL_BOOLEAN, read_boolean_label, read_truth_label);

PG_FUNCTION_INFO_V1(ml_classification_combine);

/* Add the counts of the second state to the first. */
Datum
ml_classification_combine(PG_FUNCTION_ARGS)
{
	ExpandedState *other = state_get(PG_GETARG_DATUM(1), &classification_state_kind, CurrentMemoryContext);
	Classification *from = other->state;
	ExpandedState *expanded;
	Classification *into = classification_state(fcinfo, from->type, from->weighted, from->average, from->beta,
												&expanded);
	uint32	   *numbers = palloc(sizeof(uint32) * (from->nlabels + 1));

	for (uint32 i = 0; i < from->nlabels; i++)
		numbers[i] = label_number(into, &from->labels[i]);
	for (uint32 i = 0; i < from->npairs; i++)
		merge_pair(into, numbers[from->pairs[i].actual], numbers[from->pairs[i].predicted], &from->pairs[i]);
	ml_sum_merge(&into->squares, &from->squares);
	pfree(numbers);
	return state_datum(expanded);
}

/* ---- labels in order, and as text ---- */

/* The row of an enum's value in the catalog; errors when it is gone. */
static HeapTuple
enum_tuple(const Label *label)
{
	HeapTuple	tuple = SearchSysCache1(ENUMOID, ObjectIdGetDatum((Oid) label->bits));

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid internal value for enum: %u", (Oid) label->bits)));
	return tuple;
}

/* The digits of a label as a number. */
static Datum
label_numeric(const Label *label)
{
	char	   *digits = pnstrdup(label->string, label->length);

	return DirectFunctionCall3(numeric_in, CStringGetDatum(digits), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

char *
label_text(LabelType type, const Label *label)
{
	HeapTuple	tuple;
	char	   *name;

	switch (type)
	{
		case LABEL_BOOLEAN:
			return pstrdup(label->bits == 1 ? "true" : "false");
		case LABEL_BIGINT:
			return psprintf(INT64_FORMAT, (int64) label->bits);
		case LABEL_FLOAT8:
			return float8out_internal(label_float8(label->bits));
		case LABEL_ENUM:
			tuple = enum_tuple(label);
			name = pstrdup(NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel));
			ReleaseSysCache(tuple);
			return name;
		default:
			return pnstrdup(label->string, label->length);
	}
}

/* What labels are ordered by. */
typedef struct LabelOrder
{
	const Classification *c;
	Datum	   *numerics;		/* [nlabels] for numeric labels */
	float4	   *places;			/* [nlabels] for enum labels */
} LabelOrder;

/* Order labels: strings by their bytes, numbers by size, enums as their type does, false before true. */
static int
compare_labels(const void *a, const void *b, void *arg)
{
	const LabelOrder *order = arg;
	uint32		i = *(const uint32 *) a;
	uint32		j = *(const uint32 *) b;
	const Label *x = &order->c->labels[i];
	const Label *y = &order->c->labels[j];
	int			bytes;

	switch (order->c->type)
	{
		case LABEL_TEXT:
			bytes = memcmp(x->string, y->string, Min(x->length, y->length));
			return bytes != 0 ? bytes : (x->length > y->length) - (x->length < y->length);
		case LABEL_NUMERIC:
			return DatumGetInt32(DirectFunctionCall2(numeric_cmp, order->numerics[i], order->numerics[j]));
		case LABEL_ENUM:
			return (order->places[i] > order->places[j]) - (order->places[i] < order->places[j]);
		case LABEL_FLOAT8:
			return (label_float8(x->bits) > label_float8(y->bits)) - (label_float8(x->bits) < label_float8(y->bits));
		default:
			return ((int64) x->bits > (int64) y->bits) - ((int64) x->bits < (int64) y->bits);
	}
}

uint32 *
sorted_labels(Classification *c)
{
	LabelOrder	order = {.c = c};
	uint32	   *sorted = palloc(sizeof(uint32) * (c->nlabels + 1));

	if (c->type == LABEL_NUMERIC)
		order.numerics = palloc(sizeof(Datum) * (c->nlabels + 1));
	if (c->type == LABEL_ENUM)
		order.places = palloc(sizeof(float4) * (c->nlabels + 1));
	for (uint32 i = 0; i < c->nlabels; i++)
	{
		sorted[i] = i;
		if (order.numerics != NULL)
			order.numerics[i] = label_numeric(&c->labels[i]);
		if (order.places != NULL)
		{
			HeapTuple	tuple = enum_tuple(&c->labels[i]);

			order.places[i] = ((Form_pg_enum) GETSTRUCT(tuple))->enumsortorder;
			ReleaseSysCache(tuple);
		}
	}
	qsort_arg(sorted, c->nlabels, sizeof(uint32), compare_labels, &order);
	return sorted;
}
