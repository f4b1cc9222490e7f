/*
 * The state of metrics over two columns of labels: how often each pair was seen.
 */
#ifndef MLAAS_METRIC_LABELS_H
#define MLAAS_METRIC_LABELS_H

#include "postgres.h"

#include "pg/metrics.h"
#include "score/tallies.h"

/* Stored in flat states. */
typedef enum LabelType
{
	LABEL_INVALID = 0,
	LABEL_TEXT = 1,
	LABEL_BOOLEAN = 2,
	LABEL_BIGINT = 3,
	LABEL_FLOAT8 = 4,
	LABEL_NUMERIC = 5,			/* a string: the shortest digits of the number */
	LABEL_ENUM = 6				/* the value's OID */
} LabelType;

#define LABEL_TYPES 6

/* Whether labels of a type are strings. */
static inline bool
label_is_string(LabelType type)
{
	return type == LABEL_TEXT || type == LABEL_NUMERIC;
}

/*
 * A label: the bits of a number, or a string.  A string of up to 16 bytes is known by its first and last bytes, which
 * may overlap, and its length.
 */
typedef struct Label
{
	uint64		hash;
	uint64		bits;			/* of a string its first bytes */
	uint64		tail;			/* of a string its last bytes, else 0 */
	const char *string;			/* not terminated */
	uint32		length;			/* of the string, else 0 */
} Label;

/* Rows of one actual and one predicted label. */
typedef struct Pair
{
	uint32		actual;			/* numbers of labels */
	uint32		predicted;
	uint64		rows;			/* 0 = a free slot */
	MlSum		weight;			/* where rows have weights */
} Pair;

/* Pairs of the first labels are found by a table without a hash. */
#define DENSE_LABELS 8

typedef struct Classification
{
	MemoryContext memory;
	LabelType	type;
	bool		weighted;
	MlAverage	average;
	double		beta;
	uint64		rows;
	MlSum		squares;		/* of the weights of rows, where they have weights */
	Size		bytes;			/* of tables and strings */

	uint32		nlabels;
	uint32		label_slots;	/* a power of two */
	Label	   *labels;			/* [label_slots / 2], in order of appearance */
	uint32	   *slots;			/* [label_slots]: label + 1, 0 = free */

	uint32		npairs;
	uint32		pair_slots;		/* a power of two, at least twice npairs */
	Pair	   *pairs;			/* [pair_slots / 2], in order of appearance */
	uint32	   *places;			/* [pair_slots]: pair + 1, 0 = free */
	uint32		dense[DENSE_LABELS * DENSE_LABELS];	/* pair + 1, 0 = not seen */
} Classification;

/* The pair of two labels, or NULL when it was not seen. */
extern Pair *pair_of_labels(Classification *c, uint32 actual, uint32 predicted);

/* A label as text (palloc'd), as its type prints it. */
extern char *label_text(LabelType type, const Label *label);

/* The numbers of all labels in their order (palloc'd): strings by their bytes, enums by their type, others by size. */
extern uint32 *sorted_labels(Classification *c);

/* The number that a float8 label's bits are. */
static inline double
label_float8(uint64 bits)
{
	double		value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

#endif
