/*
 * Which class is predicted: the most probable one, or what a threshold or the costs of mistakes say.
 */
#ifndef ML_DECISION_H
#define ML_DECISION_H

#include "base/document.h"

typedef struct MlDecision
{
	int			classes;
	double		threshold;		/* of two classes: the second is predicted from this probability on; NaN = not used */
	const double *costs;		/* [actual * classes + predicted], each at least 0; NULL = not used */
	const char *chosen_for;		/* the metric that the threshold was chosen for; NULL = it was given */
} MlDecision;

/*
 * The class predicted from probabilities p[k * ldp]: of several that are as good the first, at the threshold the
 * second.
 */
extern int	ml_decide(const MlDecision *decision, const double *p, size_t ldp);

/*
 * What was asked for: {"threshold": number} or {"threshold": metric} or {"costs": {actual: {predicted: cost}}}, where
 * a cost not given is 0 for what is right, else 1.  A metric leaves the threshold NaN.  Raises on anything else, and
 * on a class that there is not.
 */
extern MlDecision *ml_decision_parse(MlContext *ctx, const char *json, const char *const *labels, int classes);

/*
 * Choose the threshold that makes decision->chosen_for largest on some rows: actual[i] is the class, p[i] the
 * probability of the second one, weight NULL = 1.  Of several the one nearest to 0.5.
 */
extern void ml_decision_choose(MlContext *ctx, MlDecision *decision, const double *actual, const double *p,
							   const double *weight, size_t n);

/* Write into / read from an open object, as the member "decision"; NULL when there is none. */
extern void ml_decision_write(MlWriter *w, const MlDecision *decision);
extern const MlDecision *ml_decision_read(MlContext *ctx, const MlNode *object, int classes);

#endif
