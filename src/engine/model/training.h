/*
 * What the files of a training share: training_rows.c (what rows look like to a learner), training_prep.c (what they
 * are prepared by) and pipeline.c (the whole).
 */
#ifndef ML_TRAINING_H
#define ML_TRAINING_H

#include "model/binned.h"
#include "model/groups.h"
#include "model/pipeline.h"
#include "model/resample.h"
#include "model/sample.h"
#include "model/target.h"

typedef struct Training
{
	const MlTable *table;
	const MlTrainSpec *spec;
	const MlSignature *signature;
	const MlPrep *prep;
	const double **level_of_code;	/* [features] slot value of each dictionary code */
	const int  *slot_feature;	/* [slots] */
	const MlTextFit **text;		/* [features] those that are texts, and what their rows weigh; NULL = none is */
	MlTextRows **text_rows;
	MlGroups   *groups;			/* until the rows are divided; NULL = none */
	bool		by_group;		/* rows of designs are in the order of their groups */
	const uint8_t *folds;		/* by row of the table: the part it is in for encodings by the target; NULL = none */
	MlStream   *stream;			/* features are bytes, NULL = as given */
	MlSynthetic *made;			/* training rows that are in no table; NULL = none */
	bool		quiet;			/* what is worth a warning will be seen once more */
	const MlTarget *whole;		/* of a fold without some classes, which is judged over all; NULL = has all */
} Training;

/* Where a design reads its rows. */
typedef struct DesignSource
{
	const Training *training;
	uint32_t   *rows;			/* of the design's rows, in the table */
	bool		trains;			/* rows that are learned from */
	MlBins		bins;			/* of a stream */
} DesignSource;

/* ---- rows (training_rows.c) ---- */

/* Values of rows, which are ascending, but those put in the order of their groups only stretch by stretch. */
extern void training_read_rows(const Training *t, int column, int element, const uint32_t *rows, size_t n, double *out);

/* The part that a row is in; of rows that were made up, which have no categories, any. */
extern uint8_t training_fold(const Training *t, uint32_t row);

/* MlDesign.read: from the table, and where the rows are bytes. */
extern void training_read_design(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx);
extern void training_read_bytes(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx);

/* The rows of one side of the split, as a design over the fitted preparation. */
extern void training_design(MlContext *ctx, const Training *t, const MlTarget *target, const uint8_t *test,
							uint8_t side, DesignSource *source, MlDesign *design);

/* Where the learner tells rows by their content: what that is, of rows of the table that have these hashes. */
extern void training_attach_hashes(MlContext *ctx, const MlAlgorithm *algorithm, const uint64_t *hashes,
								   MlDesign *design);

/* Once the preparation is fitted the designs know their columns. */
extern void training_attach_preparation(MlContext *ctx, MlDesign *design, const Training *t);

/* The prepared values of sampled rows of the table: read in the order of rows, put in that of the sample. */
extern double *training_read_sampled(MlContext *ctx, const Training *t, const MlSampledRows *sampled);

/* ---- preparation (training_prep.c) ---- */

/* The features as the table has them, and the target. */
extern MlSignature *training_signature(MlContext *ctx, const Training *t, const MlTarget *target);

/*
 * Fit the preparation to the training rows.  The moments of numbers are those given, or of the rows (NULL); the design
 * is needed where preprocess asks for steps.
 */
extern void training_fit_preparation(MlContext *ctx, Training *t, const MlPrepOptions *options,
									 const MlMoments *moments, const uint32_t *rows, size_t n, const MlDesign *design);

/*
 * Know what the rows' texts weigh: by the terms of a preparation that is there, or (NULL) by those that n training rows
 * choose.
 */
extern void training_weigh_texts(MlContext *ctx, Training *t, const MlPrep *prep, const MlPrepOptions *options,
								 const uint32_t *rows, size_t n);

/* Translate every category's codes into levels of the preparation. */
extern void training_translate_levels(MlContext *ctx, Training *t);

/*
 * Signature and preparation: those of the model to learn on from or of the stream, the preparation of a transform, or
 * what the training rows tell.
 */
extern void training_prepare(MlContext *ctx, Training *t, const MlTarget *target, const MlPrepOptions *options,
							 const uint32_t *rows, const MlDesign *design);

#endif
