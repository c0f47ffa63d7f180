;; A well-behaved guest: every record is dropped on purpose.
(module
  (memory (export "memory") 17)
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.sub
      (i32.shr_u (i32.add (i32.add (i32.const 0x100000) (local.get $size)) (i32.const 0xffff)) (i32.const 16))
      (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const 0x100000))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param i32) (result i32) (i32.const 1024)))
