"""A worked sample with ties in time and risk, and what lifelines 0.30.3 and scikit-survival 0.28.0 give for it; and the
leukaemia trial of Freireich et al. 1963, which textbooks work through."""

from __future__ import annotations

import numpy as np

# fmt: off
TIME = np.array([9, 4, 6, 3, 1, 3, 4, 2, 1, 5, 6, 6, 2, 10, 7, 9, 3, 2, 3, 3, 10, 1, 2, 5])
EVENT = np.array([1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0]) > 0
RISK = np.array([-0.3, -1.2, 0.2, -0.8, 0.4, -0.6, 1.4, 1.1, 3.2, 0.4, 0.3, 0.3, -0.1, -1.6, 0.6, -1.6, 0.4, 0.5, 0.9,
    -0.1, -1.7, 1, 0.6, -1.1])
#: Probability of the event by the horizons.
P = np.array(
    [[0.2398, 0.4221, 0.5607], [0.1889, 0.342, 0.4663], [0.2728, 0.4712, 0.6154], [0.2102, 0.3762, 0.5074],
    [0.287, 0.4916, 0.6375], [0.2217, 0.3942, 0.5285], [0.3666, 0.5988, 0.7458], [0.3412, 0.5659, 0.714], [0.5432,
    0.7913, 0.9047], [0.287, 0.4916, 0.6375], [0.2798, 0.4813, 0.6265], [0.2798, 0.4813, 0.6265], [0.2526, 0.4414,
    0.5825], [0.1694, 0.3101, 0.427], [0.3017, 0.5124, 0.6596], [0.1694, 0.3101, 0.427], [0.287, 0.4916, 0.6375],
    [0.2943, 0.502, 0.6485], [0.325, 0.5443, 0.6924], [0.2526, 0.4414, 0.5825], [0.1649, 0.3025, 0.4175], [0.333,
    0.5551, 0.7033], [0.3017, 0.5124, 0.6596], [0.194, 0.3504, 0.4764]]
)
#: Thirds of the risk, as pandas.qcut cuts them.
GROUP = np.array([0, 0, 1, 0, 1, 0, 2, 2, 2, 1, 1, 1, 1, 0, 2, 0, 1, 2, 2, 1, 0, 2, 2, 0])
HORIZONS = (2.0, 4.0, 6.0)

#: sksurv.metrics; censoring from the sample itself, Uno's concordance and the integral up to 6.
SKSURV = {
    "concordance_harrell": 0.7676767676767676,
    "concordance_uno": 0.7563861416709786,
    "mean_auroc": 0.8138737019251941,
    "integrated_brier": 0.1968011509651331,
    **dict(zip(("auroc/2", "auroc/4", "auroc/6"), [0.8431372549019608, 0.7697035430224152, 0.8342547057826013])),
    **dict(zip(("brier/2", "brier/4", "brier/6"), [0.16286730341269842, 0.21699366240939152, 0.1903499756290509])),
}
#: lifelines: Kaplan–Meier at the horizons; Cox of the risk (Efron); Breslow's hazard at the mean risk; log-rank test.
KAPLAN_MEIER = [0.7420634920634922, 0.5201719576719578, 0.40963541666666675]
COX, COX_LOG_LIKELIHOOD = 1.0768849192014869, -33.1295760486624
BRESLOW = [0.19478781208494428, 0.49775263373227874, 0.7747533802445652]
LOG_RANK, LOG_RANK_P = 9.255097782330129, 0.009778698405494574

#: Weeks of remission, 21 children on 6-mercaptopurine and 21 on placebo (Freireich et al., Blood 1963;21:699).
_TREATED = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
_RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
_PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
WEEKS = np.array(_TREATED + _PLACEBO, float)
RELAPSED = np.array(_RELAPSED + [1] * 21) > 0
PLACEBO = np.array([0.0] * 21 + [1.0] * 21)
# fmt: on
