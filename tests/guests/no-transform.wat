;; A module that is no transform at all.
;; version: "no transform: the export edgemill_transform_1_0_0 is missing; it exports memory, run"
(module
  (memory (export "memory") 16)
  (func (export "run")))
