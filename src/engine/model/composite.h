/*
 * Models that are made of models: a pipeline, in which what a member predicts is a feature of later ones, and
 * an ensemble, whose members' results become one (by a mean, by votes, or by a last member that was trained
 * on what the others predict: stacking).
 *
 * Such a model has the members within it, section by section, so it is a value as any other: nothing that it
 * refers to can change or go, and it cannot hold itself.  Its payload is
 *     {"members": [{"name", "algorithm", "output", "signature", "preparation", "parameters", "summary",
 *                   "payload"}, ...], "weights": doubles}
 * where output names the feature that later members find the result under ("" = none does), and weights has
 * one number a member, or none in a pipeline and in stacking.
 *
 * Its features are those of the members, by name, without those that members produce.  A category's raw value
 * is its place among the strings that any member knows, from which each member's own level is looked up: so a
 * member gets just the numbers that it would get alone, and its own code scores them.
 *
 * What a member's result becomes as a feature goes by the feature's kind and type:
 *     number from a number     the prediction
 *     number from classes      of type boolean, or of more than two classes that are numbers: the class;
 *                              else the probability of the second of two classes
 *     category from classes    the label
 *     vector from classes      the probabilities, when it is as wide
 * rounded where the feature is of type real.
 */
#ifndef ML_COMPOSITE_H
#define ML_COMPOSITE_H

#include "learn/composites.h"
#include "model/model.h"
#include "score/metrics.h"

/* Bounds that hold for what is made and what is read. */
#define ML_COMPOSITE_MEMBERS 100
#define ML_COMPOSITE_DEPTH 4	/* models within models within ... */
#define ML_COMPOSITE_BYTES ((size_t) 512 << 20)

/* The names of a member's sections in its object, by MlSection. */
extern const char *const ml_composite_sections[];

/* Where a member's slot has its number from. */
typedef enum MlInputKind
{
	ML_INPUT_RAW,				/* a slot of the whole's row */
	ML_INPUT_LEVEL,				/* the same, looked up: values[level], other for an unseen one */
	ML_INPUT_RESULT,			/* an output of an earlier member */
	ML_INPUT_CLASS				/* the class that an earlier member predicts, looked up: values[class] */
} MlInputKind;

typedef struct MlInput
{
	MlInputKind kind;
	bool		real;			/* round to float */
	int			from;			/* slot, or member */
	int			output;
	const double *values;
	int			nvalues;
	double		other;
} MlInput;

typedef struct MlMember
{
	const MlModel *model;
	const char *name;			/* as it was given, for readers */
	const char *output;			/* "" = no feature of another */
	double		weight;			/* as it was given */
	/* the weight times a power of two that all members have in common: sums stay in range */
	double		share;
	MlInput    *inputs;			/* [slots of the member] */
	int		   *class_of;		/* [its classes]: the class of the whole */
	size_t		out;			/* its first output among those of all members */
} MlMember;

typedef struct MlComposite
{
	int			count;
	MlMember   *members;
	bool		last;			/* the last member's result is the whole's */
	bool		vote;
	double		shares;			/* sum of all */
	size_t		outputs;		/* of all members */
	size_t		slots;			/* most that a member has */
} MlComposite;

/* ---- making (composite_build.c) ---- */

typedef struct MlMemberSpec
{
	const MlModel *model;		/* has bytes */
	const char *name;
	const char *output;
	double		weight;
} MlMemberSpec;

/* What is known of how well the whole does. */
typedef struct MlCompositeSummary
{
	size_t		n_train;		/* rows that the last member of a stacking was trained on */
	size_t		n_test;			/* rows that the metrics are of */
	MlMetric	metrics[ML_MAX_METRICS];
	int			nmetrics;
	const char *row_digest;		/* "" = no rows were read */
} MlCompositeSummary;

typedef struct MlCompositeSpec
{
	const MlAlgorithm *algorithm;
	MlEnsembleMethod method;	/* of an ensemble */
	int			count;
	const MlMemberSpec *members;
	MlCompositeSummary summary;
} MlCompositeSpec;

/*
 * The bytes of the whole.  Raises, naming the members, where features or targets do not fit together, for
 * weights that are none, and past the bounds.
 */
extern void *ml_composite_build(MlContext *ctx, const MlCompositeSpec *spec, size_t *size);

/* The features that members have in common and the targets they share: the signature the whole would have. */
extern MlSignature *ml_composite_signature(MlContext *ctx, const MlCompositeSpec *spec, MlPrep **prep);

/* ---- stacking (composite_stack.c) ---- */

struct MlTrainSpec;
struct MlTrainResult;

/*
 * Train what is above the members of base, each of which has an output, on the rows of a table: its first
 * columns, spec->nfeatures of them, are the members' features by name.
 */
extern void ml_composite_stack(MlContext *ctx, const MlCompositeSpec *base, const MlTable *table,
							   const struct MlTrainSpec *spec, struct MlTrainResult *result);

/*
 * Are the rows of a table, which holds features and target, those that a member was trained on, as far as its digest
 * tells?
 */
extern bool ml_composite_trained_on(MlContext *ctx, const MlMemberSpec *member, const MlTable *table);

/* ---- using: for model.c ---- */

/* The members of a model whose signature and preparation are read. */
extern MlComposite *ml_composite_read(MlContext *ctx, const MlModel *model, int depth);

/* Connect members with each other and with the whole's features; code and hint are for what does not fit. */
extern void ml_composite_connect(MlContext *ctx, MlComposite *composite, const MlModel *whole, MlErrorCode code);

extern size_t ml_composite_scratch(const MlModel *model, size_t n);
extern void ml_composite_score(const MlModel *model, const double *raw, size_t ldraw, size_t n,
							   double *out, size_t ldout, double *scratch);
extern void ml_composite_describe(MlWriter *w, const MlModel *model);

#endif
