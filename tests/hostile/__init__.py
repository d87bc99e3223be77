"""Every public function, each argument in turn replaced by what it does not expect."""
