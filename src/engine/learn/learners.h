/*
 * The learners there are; registry.c puts them into one table.
 */
#ifndef ML_LEARNERS_H
#define ML_LEARNERS_H

#include "learn/learner.h"

extern const MlAlgorithm ml_baseline;
extern const MlAlgorithm ml_linear_regression;
extern const MlAlgorithm ml_logistic_regression;
extern const MlAlgorithm ml_gradient_boosting;
extern const MlAlgorithm ml_decision_tree;
extern const MlAlgorithm ml_random_forest;
extern const MlAlgorithm ml_extra_trees;
extern const MlAlgorithm ml_isolation_forest;

#endif
