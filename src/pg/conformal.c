/*
 * ml_predict_interval and ml_predict_set: predictions with a coverage that was asked for, from the scores of
 * the rows that the training held out.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "model/conformal.h"
#include "pg/host.h"
#include "pg/predict.h"

PG_FUNCTION_INFO_V1(ml_predict_interval);
PG_FUNCTION_INFO_V1(ml_predict_set);

/* What a call site derives from a model: the bounds of the coverage asked for last. */
typedef struct ConformalPlan
{
	MlCalibration calibration;
	TupleDesc	desc;			/* of an interval */
	double		coverage;		/* 0 = none yet */
	double		low;			/* of the error of a number */
	double		high;			/* of the error, or of 1 - the probability of a class */
} ConformalPlan;

/* Set up for a model, which must have scores. */
static ConformalPlan *
create_plan(FunctionCallInfo fcinfo, PredictPlan *predict, PredictWhat what)
{
	MemoryContext caller = MemoryContextSwitchTo(predict->memory);
	ConformalPlan *plan = palloc0(sizeof(ConformalPlan));

	if (!ml_calibration_read(host_context_create(CurrentMemoryContext, "mlaas calibration", false), predict->model,
							 &plan->calibration))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the model has no held-out rows to calibrate its predictions on"),
				 errdetail("It was trained on all rows or as an aggregate, is made of other models, or has been "
						   "changed since."),
				 errhint("Train it with ml_train and a validation that holds rows out, or with \"folds\".")));
	if (what == PREDICT_INTERVAL)
	{
		if (get_call_result_type(fcinfo, NULL, &plan->desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		plan->desc = BlessTupleDesc(plan->desc);
	}
	MemoryContextSwitchTo(caller);
	predict->derived = plan;
	return plan;
}

/* Score the row behind the coverage in argument 1; NULL when an argument is. */
static PredictPlan *
conformal_row(FunctionCallInfo fcinfo, PredictWhat what)
{
	PredictPlan *predict;
	ConformalPlan *plan;
	double		coverage;

	if (PG_ARGISNULL(1))
		return NULL;
	coverage = PG_GETARG_FLOAT8(1);
	if (!(coverage > 0 && coverage < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("coverage is %g", coverage),
				 errdetail("It must be greater than 0 and less than 1.")));
	predict = predict_row(fcinfo, 2, what);
	if (predict == NULL)
		return NULL;
	plan = predict->derived;
	if (plan == NULL)
		plan = create_plan(fcinfo, predict, what);
	if (plan->coverage != coverage)
	{
		double		share = what == PREDICT_INTERVAL ? (1 + coverage) / 2 : coverage;

		plan->low = ml_calibration_lower(&plan->calibration, share);
		plan->high = ml_calibration_upper(&plan->calibration, share);
		plan->coverage = coverage;
	}
	return predict;
}

/* The number that a model predicts for a row, and between which bounds the truth lies. */
Datum
ml_predict_interval(PG_FUNCTION_ARGS)
{
	PredictPlan *predict = conformal_row(fcinfo, PREDICT_INTERVAL);
	ConformalPlan *plan;
	Datum		values[3];
	bool		nulls[3] = {0};

	if (predict == NULL)
		PG_RETURN_NULL();
	plan = predict->derived;
	values[0] = Float8GetDatum(predict->out[0]);
	values[1] = Float8GetDatum(predict->out[0] + plan->low);
	values[2] = Float8GetDatum(predict->out[0] + plan->high);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(plan->desc, values, nulls)));
}

/* The classes that a row may be of, the most probable first. */
Datum
ml_predict_set(PG_FUNCTION_ARGS)
{
	PredictPlan *predict = conformal_row(fcinfo, PREDICT_SET);
	const MlSignature *signature;
	double		least;
	Datum	   *labels;
	int			count = 0;

	if (predict == NULL)
		PG_RETURN_NULL();
	signature = predict->model->signature;
	least = 1 - ((ConformalPlan *) predict->derived)->high;
	labels = palloc(sizeof(Datum) * (Size) signature->nclasses);
	for (;;)
	{
		int			best = -1;

		/* the results are the call's own: a class that was taken is marked by a negative probability */
		for (int k = 0; k < signature->nclasses; k++)
			if (predict->out[k] >= 0 && predict->out[k] >= least && (best < 0 || predict->out[k] > predict->out[best]))
				best = k;
		if (best < 0)
			break;
		labels[count++] = CStringGetTextDatum(signature->class_labels[best]);
		predict->out[best] = -1;
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(labels, count, TEXTOID, -1, false, TYPALIGN_INT));
}
