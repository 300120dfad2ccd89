;;; emacs.el --- Emacs with Eglot and EDITORS.md's configuration, the installed wheel and the bundled model  -*- lexical-binding: t -*-

;; emacs --batch -Q -l test/emacs.el -f ert-run-tests-batch-and-exit, with lineahead-server on the PATH.

(require 'ert)
(require 'package)
(unless (locate-library "eglot") ; before Emacs 29 it is a package
  (add-to-list 'package-directory-list "/usr/share/emacs/site-lisp/elpa")
  (package-initialize))

(defconst lineahead-start "try:\n    import json\n")

(with-temp-buffer ; what a person pastes
  (insert-file-contents (expand-file-name "../EDITORS.md" (file-name-directory load-file-name)))
  (search-forward "## Emacs with Eglot\n")
  (search-forward "```elisp\n")
  (let ((start (point)))
    (search-forward "\n```")
    (eval-region start (match-beginning 0))))

(setq eglot-sync-connect 20 eglot-connect-timeout 30 eglot-autoshutdown t)

(defmacro lineahead-with-file (&rest body)
  "Run BODY at the end of a Python file that is open and has its server.
Its project has a package `lineahead' of its own, which must not be what is started."
  `(let* ((project (make-temp-file "lineahead" t))
          (file (expand-file-name "first.py" project)))
     (make-directory (expand-file-name "lineahead" project))
     (write-region "raise SystemExit(1)" nil (expand-file-name "lineahead/__init__.py" project) nil 'silent)
     (write-region lineahead-start nil file nil 'silent)
     (with-current-buffer (find-file-noselect file)
       (unwind-protect
           (progn
             ;; `eglot-ensure' of the hook waits for a command loop, which there is none of here.
             (apply #'eglot (eglot--guess-contact))
             (goto-char (point-max))
             ,@body)
         (set-buffer-modified-p nil)
         (kill-buffer)))))

(defun lineahead-candidates ()
  "The completions at point, asked for until the model is there, for 20 seconds at most."
  (let ((end (+ (float-time) 20)) found)
    (while (and (not found) (< (float-time) end))
      (pcase-let ((`(,start ,stop ,table . ,_) (eglot-completion-at-point)))
        (setq found (all-completions (buffer-substring-no-properties start stop) table)))
      (unless found (accept-process-output nil 0.2)))
    (mapcar #'substring-no-properties found)))

(ert-deftest lineahead-hook-starts-eglot ()
  (should (memq 'eglot-ensure python-mode-hook)))

(ert-deftest lineahead-completes-the-line ()
  (lineahead-with-file
   (insert "except ")
   (should (equal (lineahead-candidates) '("ImportError:")))
   (completion-at-point)
   (save-buffer)
   (should (equal (with-temp-buffer (insert-file-contents file) (buffer-string))
                  (concat lineahead-start "except ImportError:\n")))))

(ert-deftest lineahead-continues-a-half-word ()
  (lineahead-with-file
   (insert "except Imp")
   (should (equal (lineahead-candidates) '("ImportError:")))
   (completion-at-point)
   (should (equal (buffer-string) (concat lineahead-start "except ImportError:")))))

(ert-deftest lineahead-takes-the-settings ()
  (lineahead-with-file
   (insert "except ")
   (should (lineahead-candidates))
   (let ((eglot-workspace-configuration '(:lineahead (:enable (:python :json-false)))))
     (eglot-signal-didChangeConfiguration (eglot-current-server))
     (insert "I")
     (accept-process-output nil 0.5)
     (pcase-let ((`(,start ,stop ,table . ,_) (eglot-completion-at-point)))
       (should-not (all-completions (buffer-substring-no-properties start stop) table))))))

;;; emacs.el ends here
