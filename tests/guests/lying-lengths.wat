;; Gives back one value, whose length says more than there is.
;; fault, output: "values: lengths add up to 2147483647 bytes, the data has 16"
(module
  (memory (export "memory") 16)
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (select (i32.const 0x10000) (i32.const 0) (i32.le_u (local.get $size) (i32.const 0xf0000))))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
    (i32.store (i32.const 1024) (i32.const 1))
    (i32.store (i32.const 1028) (i32.const 2048))
    (i32.store (i32.const 1048) (i32.const 2056))
    (i32.store (i32.const 2056) (i32.const 0x7fffffff))
    (i32.store (i32.const 1052) (i32.const 4096))
    (i32.store (i32.const 1056) (i32.const 16))
    (i32.const 1024)))
