/*
 * One row through a model: what every scoring function does before it shapes its result.
 */
#ifndef MLAAS_PREDICT_H
#define MLAAS_PREDICT_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"

#include "pg/features.h"
#include "pg/modelarg.h"

/* What a call wants of the model, and so which models it refuses. */
typedef enum PredictWhat
{
	PREDICT_NUMBER,				/* a number, or a class that is one */
	PREDICT_LABEL,				/* a class */
	PREDICT_PROBABILITY,		/* of classes */
	PREDICT_QUANTILES,			/* of a number */
	PREDICT_ANY,				/* whatever there is */
	PREDICT_INTERVAL,			/* around a number */
	PREDICT_SET,				/* of classes */
	PREDICT_NOTHING				/* the row is read, not scored */
} PredictWhat;

/* What the arguments with the features are. */
typedef enum PredictForm
{
	FORM_VALUES,
	FORM_UNKNOWN,				/* one untyped literal: its text tells an object from a value */
	FORM_ARRAY,
	FORM_ROW,
	FORM_JSON,
	FORM_JSONB
} PredictForm;

/* Columns of the row type last seen, matched to the features. */
typedef struct PredictRowMap
{
	uint64		identifier;		/* assign_record_type_identifier; 0 = none yet */
	MemoryContext memory;
	TupleDesc	desc;
	int		   *positions;		/* [nfeatures] attribute, from 0 */
	FeatureInput *inputs;		/* [nfeatures] */
	Datum	   *values;			/* [natts] */
	bool	   *nulls;
} PredictRowMap;

/* What a call site needs to score one row with one model. */
typedef struct PredictPlan
{
	const MlModel *model;
	MemoryContext memory;		/* of the model's entry */
	PredictForm form;
	double	   *raw;			/* [slots] */
	double	   *out;			/* [outputs] */
	double	   *scratch;

	FeatureInput *inputs;		/* values in order: [nfeatures]; an array: [slots] */
	Oid			element;		/* an array: what inputs or reader are set up for */
	bool		all_float8;		/* values in order: each a float8 for a slot */
	bool		all_numbers;	/* an array: numbers that become the slots as they are */
	ValueReader reader;			/* an array of numbers for a model of numbers */
	PredictRowMap row;

	int			class;			/* ml_probability: the class asked for last */
	char	   *class_name;		/* NULL = none yet */
	Size		class_length;

	void	   *derived;		/* what the caller made of the model, in memory; NULL at first */
} PredictPlan;

/*
 * Score the row in the arguments from first on with the model in argument 0; the result is in
 * plan->out.  NULL when the model or the row is NULL.
 */
extern PredictPlan *predict_row(FunctionCallInfo fcinfo, int first, PredictWhat what);

/*
 * Read the row in one argument into plan->raw without scoring it: a row, a JSON object, an array or a single value.
 * NULL when the model or the row is NULL.
 */
extern PredictPlan *predict_read(FunctionCallInfo fcinfo, int argument);

/* Texts as routes compare them: of a value, and of a member of a JSON object (NULL: it has none). */
extern const char *predict_value_text(Datum value, Oid type);
extern const char *predict_member_text(JsonbContainer *object, const char *name);

/* The same where the row may stand in the arguments from first on in all ways that ml_predict takes. */
extern PredictPlan *predict_read_values(FunctionCallInfo fcinfo, int first);

/* Refuse a model that only transforms. */
extern void predict_check_predicts(const MlModel *model);

/* Refuse a class that the model does not have. */
extern void predict_error_class(const MlModel *model, const char *name) pg_attribute_noreturn();

/* The number of a result, for regression and for classes that are numbers. */
static inline double
predict_number(const MlModel *model, const double *out, size_t ldout)
{
	if (model->signature->nclasses == 0)
		return out[0];
	return model->signature->class_values[ml_model_class(model, out, ldout)];
}

#endif
