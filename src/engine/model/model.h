/*
 * A model opened for use: signature, preparation and the learner's own, decoded
 * once from the bytes and then read-only; any number of threads may score with it.
 */
#ifndef ML_MODEL_H
#define ML_MODEL_H

#include "learn/learner.h"
#include "model/container.h"
#include "prep/prepare.h"
#include "score/decision.h"

/* What the target was; stored, never reused. */
typedef enum MlTargetKind
{
	ML_TARGET_NUMBER = 1,
	ML_TARGET_BOOLEAN = 2,		/* classes "false", "true" */
	ML_TARGET_TEXT = 3,
	ML_TARGET_NONE = 4			/* nothing is predicted but how unusual a row is */
} MlTargetKind;

typedef struct MlSignature
{
	const char *target;			/* column name, "" = none */
	MlTargetKind target_kind;
	MlTaskKind	task;
	int			nclasses;		/* 0 where the result is a number */
	/* [nclasses] ascending, numbers by value and text by bytes, but a positive class last */
	const char **class_labels;
	double	   *class_values;	/* [nclasses] NUMBER: the number; BOOLEAN: 0, 1; TEXT: the index */
	int			nfeatures;
	MlFeature  *features;
	int			slots;			/* of a raw row */
} MlSignature;

typedef struct MlModel
{
	const MlAlgorithm *algorithm;
	const MlSignature *signature;
	const MlPrep *prep;
	const void *params;			/* the learner's, as ml_params_parse gives them */
	const void *loaded;			/* the learner's */
	MlShape		shape;
	const MlDecision *decision; /* which class is predicted; NULL = the most probable one */
	const struct MlComposite *composite;	/* of models (model/composite.h); NULL = a learner's own */
	const MlNode *sections[ML_SECTION_LAST + 1];
	const void *bytes;			/* the caller's, must outlive the model; NULL for a member of another model */
	size_t		size;
} MlModel;

/* Check and open; raises ML_ERROR_CORRUPTED.  bytes: 8-byte aligned, must outlive the model. */
extern MlModel *ml_model_open(MlContext *ctx, const void *bytes, size_t size);

/*
 * The same for a model whose sections are given, checked as documents; it stands below so many others
 * that are made of models.  It has no bytes of its own.
 */
extern MlModel *ml_model_open_sections(MlContext *ctx, const MlAlgorithm *algorithm, const MlNode *const *sections,
									   int depth);

/* Fill in shape from the signature and the preparation (ml_model_open does). */
extern void ml_model_shape(MlModel *model);

/* The names readers see. */
extern const char *ml_task_name(MlTaskKind task);	/* "regression", "binary", "multiclass", "ranking", "anomaly" */
extern const char *ml_kind_name(MlKind kind);	/* "number", "category", "vector", "text" */

/* Columns of a result: the number of classes, 1 where there are none. */
extern int	ml_model_outputs(const MlModel *model);

/* The doubles of scratch space that ml_model_score needs for up to n rows (n <= ML_BLOCK_ROWS). */
extern size_t ml_model_scratch(const MlModel *model, size_t n);

/*
 * Score n raw rows (n <= ML_BLOCK_ROWS; layout as ml_prep_apply) into out[k * ldout + i]: the prediction, or
 * the probability of class k.  No allocation, any thread; the same bits whatever n.
 */
extern void ml_model_score(const MlModel *model, const double *raw, size_t ldraw, size_t n,
						   double *out, size_t ldout, double *scratch);

/* The quantiles that a model estimates, ascending; returns how many, 0 = it estimates none. */
extern int	ml_model_quantiles(const MlModel *model, const double **levels);

/* As ml_model_score, for a model that estimates quantiles: out[q * ldout + i], ascending in q. */
extern void ml_model_score_quantiles(const MlModel *model, const double *raw, size_t ldraw, size_t n,
									 double *out, size_t ldout, double *scratch);

/* The class predicted: the first with the highest probability, or what the model's decision says; p[k * ldp]. */
extern int	ml_model_class(const MlModel *model, const double *p, size_t ldp);

/* The class with this label, -1 when there is none. */
extern int	ml_model_find_class(const MlModel *model, const char *label, size_t length);

/* Have two signatures the same classes in the same order? */
extern bool ml_signature_same_classes(const MlSignature *a, const MlSignature *b);

/* Write a signature into an open object. */
extern void ml_signature_write(MlWriter *w, const MlSignature *signature);

/* The whole description for readers (ml_describe): JSON without the weights of large payloads. */
extern char *ml_model_describe(MlContext *ctx, const MlModel *model);

#endif
