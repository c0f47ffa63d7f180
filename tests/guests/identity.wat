;; A well-behaved guest: every record is kept as it is. The least that a module of the core door can be.
;; Memory: outputs at 1024, origins from 2048, the input buffer from 1 MiB. At most 261,000 records a batch.
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
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
    (local $count i32) (local $i i32)
    (local.set $count (i32.load (local.get $batch)))
    (i32.store (i32.const 1024) (local.get $count))
    (i32.store (i32.const 1028) (i32.const 2048))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $count)))
        (i32.store (i32.add (i32.const 2048) (i32.shl (local.get $i) (i32.const 2))) (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.const 1024)))
