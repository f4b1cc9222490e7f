/*
 * Rows that are binned while they stream in, for learners of trees: a value costs one byte and never more, but two
 * of a category of many levels.
 *
 * The source is read twice.  Rows are appended to the columns of a table, and ml_stream_take takes them out every so
 * often.  At first they just stay: a small table is trained on as it is.  Once the features would take more than
 * the threshold, the first scan goes on as a survey, which keeps per row a hash of its content, the columns that
 * are no features and the codes of categories, and of the values of numbers a sample (sample.h) and their range.
 * ml_pipeline_plan makes the preparation and the bins of it.  The second scan turns each value into the
 * bytes of its bin at once.
 *
 * A bin reads as a value of its own (a number as its upper edge, or above the last one as the largest number that
 * there is; a category as its level; what is missing as NaN).  Thresholds are edges, so that trees say of
 * it what they say of the value itself.
 *
 * Features that vary among the rows held out alone are told from constant ones only while all training rows are in
 * the sample; beyond that such a feature stays, with a single bin.
 */
#ifndef ML_BINNED_H
#define ML_BINNED_H

#include "base/moments.h"
#include "model/pipeline.h"
#include "model/sample.h"
#include "prep/prepare.h"

typedef enum MlStreamPhase
{
	ML_STREAM_LOADING,			/* rows stay in the table */
	ML_STREAM_SURVEY,
	ML_STREAM_BINNING
} MlStreamPhase;

struct MlStream
{
	MlContext  *ctx;
	const MlTrainSpec *spec;
	MlTable    *table;
	MlStreamPhase phase;
	bool		may_survey;
	size_t		threshold;		/* bytes of features from which on they are surveyed */
	int			max_bins;
	int			slots;			/* of all features, once the survey has begun */
	int		   *first_slot;		/* [features + 1] */
	size_t		taken;			/* rows in this scan */
	size_t		rows;			/* in the first scan */
	uint64_t   *hashes;			/* [rows] */
	size_t		capacity;		/* of hashes */
	MlDigest	digest;			/* of the first scan */

	/* the survey */
	MlMoments  *moments;		/* [threads][slots], of all rows; not those of categories */
	MlRowSample *sample;		/* raw slots; codes of categories */

	/* binning */
	const MlPrep *prep;
	MlBins	   *bins;			/* the bytes of all rows */
	int32_t   **bin_of_code;	/* [prepared columns], NULL for numbers: by code, then for NULL */
	uint32_t   *codes;			/* [prepared columns]: how many codes there were */
	double	  **decoded;		/* [prepared columns]: what each bin reads as */
};

/*
 * A stream for the training of a spec whose rows are to be appended to a table (no rows yet); NULL where the learner
 * needs its values as they are.
 */
extern MlStream *ml_stream_create(MlContext *ctx, const MlTrainSpec *spec, MlTable *table, size_t threshold);

/* How many rows may be appended before they must be taken. */
extern size_t ml_stream_batch(const MlStream *stream);

/* Take the rows that were appended; the table has that many in all in this scan. */
extern void ml_stream_take(MlStream *stream, size_t rows);

/* ---- between the scans, for the pipeline ---- */

/* Begin the second scan with this preparation, and bins made from a sample of its columns. */
extern void ml_stream_rewind(MlStream *stream, const MlPrep *prep, const MlSampledRows *sampled);

/* Begin the second scan as one that keeps all values. */
extern void ml_stream_reload(MlStream *stream);

/* Count, range and missing values of the slots, for ml_prep_fit: the other moments depend on the number of threads. */
extern const MlMoments *ml_stream_moments(MlStream *stream, const MlSampledRows *sampled);

/* The digest of the rows; raises unless the second scan gave those of the first. */
extern MlDigest ml_stream_check(MlStream *stream);

/* The hashes of the second scan's rows, which are the caller's then. */
extern uint64_t *ml_stream_hashes(MlStream *stream);

/* Divide the bytes among two lists of rows; those of all rows are gone then. */
extern void ml_stream_divide(MlStream *stream, uint32_t *const rows[2], const size_t n[2], MlBins *const out[2]);

/* Values n rows of these bytes from begin on read as: column-major, leading dimension ldx. */
extern void ml_stream_read(const MlStream *stream, const MlBins *bins, size_t begin, size_t n, double *x, size_t ldx);

#endif
