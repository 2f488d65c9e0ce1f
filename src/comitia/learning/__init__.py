"""Learning under differential privacy (III-D.1): the learners' contract, one module a learner, and its judges.

`contract` says what a learner is and what it sends, `registry` which ones there are, `prototype` is the default one;
`global_model` answers queries, `signal` and `reference` judge a release without spending budget, `metrics` holds
Eq. (6) and the AUC.
"""
