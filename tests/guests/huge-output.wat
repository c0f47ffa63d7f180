;; Gives back columns that lie over each other: together they are larger than its memory.
;; fault, output, with limits.memory of 2 MiB: "keys: with 1048576 bytes the outputs are larger than limits.memory, 2097152"
(module
  (memory (export "memory") 16)
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (select (i32.const 0x10000) (i32.const 0) (i32.le_u (local.get $size) (i32.const 0xf0000))))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
    (i32.store (i32.const 1024) (i32.const 100000))
    (i32.store (i32.const 1028) (i32.const 0x10000)) ;; origins
    (i32.store (i32.const 1032) (i32.const 0x10000)) ;; timestamps
    (i32.store (i32.const 1036) (i32.const 0x10000)) ;; keys
    (i32.store (i32.const 1040) (i32.const 0))
    (i32.store (i32.const 1044) (i32.const 0x100000))
    (i32.store (i32.const 1048) (i32.const 0x10000)) ;; values
    (i32.store (i32.const 1052) (i32.const 0))
    (i32.store (i32.const 1056) (i32.const 0x100000))
    (i32.const 1024)))
