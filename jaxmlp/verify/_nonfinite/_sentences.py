"""The sentences of a report on where a NaN was born, in each language under the same keys."""

_ENGLISH = {
    "finite": "`{subject}` stays finite: no NaN and no inf in the state and the output. Steps taken: {steps}.",
    "found": "`{subject}` gives NaN or inf in step {step}: {names}.",
    "found-somewhere": "`{subject}` gives NaN or inf in step {step}.",
    "note-replay-differs": "Compiled, step {step} is not finite; one operation at a time it and the steps after "
    "it are: the compiler rounds otherwise. So the operation cannot be named.",
    "note-later-step": "Compiled, step {step} is not finite; one operation at a time, which rounds otherwise, "
    "that happens some steps later, and it is this later step that is explained.",
    "note-opaque": "JAX cannot trace the step. The lines below are where NumPy first warns, even if what it warns "
    "of is masked later.",
    "first-nan": "The first NaN ({operation}): {equation}",
    "first-inf": "The first inf ({operation}): {equation}",
    "later-nan": "The first NaN ({operation}, in step {step}): {equation}",
    "later-inf": "The first inf ({operation}, in step {step}): {equation}",
    "place": ", at {element} of {dtype} {shape}",
    "place-scalar": ", a {dtype} scalar",
    "caller": "called from",
    "operand": "`{name}` is read from the state.",
    "hidden": "The line does not show it: it is a part of a function that the line calls, or of its derivative.",
    "chain": "How it came to that:",
    "state": "`report.state` is the last state that is finite, the one before step {step}.",
    "why-zero-times-inf": "Zero times infinity has no value.",
    "why-zero-by-zero": "Zero divided by zero has no value.",
    "why-inf-by-inf": "Infinity divided by infinity has no value.",
    "why-inf-minus-inf": "Infinity minus infinity has no value.",
    "why-negative": "There is no real {operation} of a negative number.",
    "why-undefined": "This has no value.",
    "why-division-by-zero": "A division by zero gives infinity.",
    "why-log-of-zero": "The logarithm of 0 is minus infinity.",
    "why-pole": "The function is infinite there.",
    "why-overflow": "More than {largest}, the largest {dtype}, is infinity.",
    "why-underflow": "Too small for {dtype}: it becomes exactly 0.",
    "why-cancelled": "The two are equal: exactly 0 is left.",
    "why-by-inf": "Any number divided by infinity gives 0.",
    "why-cut": "Cut to exactly 0.",
    "why-saturated": "In {dtype} that rounds to exactly {value}.",
    "why-saturated-sigmoid": "A sigmoid does so from z = {bits} ln 2 = {bound} on.",
    "why-absorbed": "In {dtype} the small number is lost beside 1, as below 2^-{bits} = {half}: the result is "
    "exactly 1.",
    "why-absorbed-exp": "exp(-z) is so small from z = {bits} ln 2 = {bound} on.",
    "why-given": "The step itself holds this number: look at its data and its constants.",
    "trend-climbed": "The loss rose in {rose} of {steps} steps and fell in {fell}, from {first} to {last}: "
    "the sign of the update or of the gradient is probably wrong.",
    "trend-diverged": "The loss grew from {first} to {last}, by steps that overshoot: the learning rate is "
    "probably too large.",
    "trend-fell": "The loss fell until then, from {first} to {last}: the direction is right, and it is the "
    "formula that fails where the training leads.",
    "trend-fell-finite": "The loss fell from {first} to {last}.",
    "trend-fell-below-zero": "The loss fell from {first} to {last} and was negative. A cross-entropy or a sum of "
    "squares is never negative: if this is one, it lost its minus sign, and the true loss was climbed all the "
    "time.",
    "trend-wavered": "The loss went up and down between {low} and {high}, from {first} to {last}.",
}

_KOREAN = {
    "finite": "`{subject}`: 모두 유한합니다. {steps}단계 동안 상태와 출력에 NaN도 inf도 없습니다.",
    "found": "`{subject}`: {step}단계에서 유한하지 않은 값이 나왔습니다. {names}.",
    "found-somewhere": "`{subject}`: {step}단계에서 유한하지 않은 값이 나왔습니다.",
    "note-replay-differs": "컴파일한 {step}단계는 유한하지 않지만, 연산을 하나씩 실행하면 그 뒤의 단계까지 "
    "유한합니다. 컴파일러의 반올림이 다르기 때문이며, 그래서 어느 연산인지 말할 수 없습니다.",
    "note-later-step": "컴파일한 {step}단계는 유한하지 않지만, 반올림이 다른 하나씩 실행에서는 몇 단계 뒤에 "
    "그렇게 됩니다. 아래 설명은 그 나중 단계에 대한 것입니다.",
    "note-opaque": "JAX가 이 단계를 추적할 수 없습니다. 아래는 NumPy가 처음 경고한 줄이며, 그 값이 나중에 가려질 "
    "수도 있습니다.",
    "first-nan": "첫 NaN ({operation}): {equation}",
    "first-inf": "첫 inf ({operation}): {equation}",
    "later-nan": "첫 NaN ({operation}, {step}단계): {equation}",
    "later-inf": "첫 inf ({operation}, {step}단계): {equation}",
    "place": ", {dtype} {shape}의 {element} 원소",
    "place-scalar": ", {dtype} 스칼라",
    "caller": "호출한 줄",
    "operand": "상태에서 읽은 값: `{name}`.",
    "hidden": "이 줄에는 보이지 않습니다. 줄에서 호출한 함수나 그 도함수의 일부입니다.",
    "chain": "그렇게 된 경위:",
    "state": "`report.state`는 유한한 마지막 상태, 곧 {step}단계 직전의 상태입니다.",
    "why-zero-times-inf": "0 곱하기 무한대는 값이 없습니다.",
    "why-zero-by-zero": "0 나누기 0은 값이 없습니다.",
    "why-inf-by-inf": "무한대 나누기 무한대는 값이 없습니다.",
    "why-inf-minus-inf": "무한대 빼기 무한대는 값이 없습니다.",
    "why-negative": "음수의 {operation} 값은 실수가 아닙니다.",
    "why-undefined": "값이 없는 계산입니다.",
    "why-division-by-zero": "0으로 나누면 무한대가 됩니다.",
    "why-log-of-zero": "0의 로그는 음의 무한대입니다.",
    "why-pole": "이 점에서 함수값이 무한대입니다.",
    "why-overflow": "{dtype}의 가장 큰 수 {largest}보다 크면 무한대가 됩니다.",
    "why-underflow": "{dtype}에는 너무 작은 수라서 정확히 0이 됩니다.",
    "why-cancelled": "두 수가 같아서 정확히 0이 남습니다.",
    "why-by-inf": "어떤 수든 무한대로 나누면 0이 됩니다.",
    "why-cut": "잘려서 정확히 0이 됩니다.",
    "why-saturated": "{dtype}에서는 반올림되어 정확히 {value}입니다.",
    "why-saturated-sigmoid": "시그모이드는 z = {bits} ln 2 = {bound}부터 그렇습니다.",
    "why-absorbed": "{dtype}에서 2^-{bits} = {half}보다 작은 수는 1 옆에서 사라집니다. 결과는 정확히 1입니다.",
    "why-absorbed-exp": "exp(-z)는 z = {bits} ln 2 = {bound}부터 그만큼 작습니다.",
    "why-given": "단계가 이 값을 가지고 있습니다. 데이터와 상수를 살펴보세요.",
    "trend-climbed": "손실이 {steps}단계 가운데 {rose}단계에서 커지고 {fell}단계에서 줄었습니다"
    "({first}에서 {last}까지). 갱신이나 기울기의 부호가 틀렸을 가능성이 큽니다.",
    "trend-diverged": "손실이 {first}에서 {last}까지 커졌고, 갱신이 목표를 지나칩니다. 학습률이 너무 클 가능성이 "
    "큽니다.",
    "trend-fell": "그때까지 손실은 {first}에서 {last}까지 줄었습니다. 방향은 맞고, 학습이 다다른 곳에서 식이 "
    "무너집니다.",
    "trend-fell-finite": "손실이 {first}에서 {last}까지 줄었습니다.",
    "trend-fell-below-zero": "손실이 {first}에서 {last}까지 줄었고 음수입니다. 교차 엔트로피나 제곱합은 음수가 될 "
    "수 없습니다. 그런 손실이라면 마이너스 부호가 빠진 것이고, 참 손실은 줄곧 커졌습니다.",
    "trend-wavered": "손실이 오르내렸습니다. 가장 작을 때 {low}, 가장 클 때 {high}, 처음 {first}, 마지막 {last}입니다.",
}

SENTENCES = {"en": _ENGLISH, "ko": _KOREAN}
